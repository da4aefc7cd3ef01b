//! Looks for its key in `wasi:config/store`.
wit_bindgen::generate!({
    inline: "
        package acme:settings;
        interface keys {
            /// The value of one setting.
            find: func(key: string) -> option<string>;
            /// The names of all settings.
            names: func() -> list<string>;
        }
        world settings {
            import wasi:config/store@0.2.0-rc.1;
            export keys;
        }
        package wasi:config@0.2.0-rc.1 {
            interface store {
                variant error { upstream(string), io(string) }
                get: func(key: string) -> result<option<string>, error>;
                get-all: func() -> result<list<tuple<string, string>>, error>;
            }
        }
    ",
    generate_all,
});

use wasi::config::store;

struct Settings;
export!(Settings);

impl exports::acme::settings::keys::Guest for Settings {
    fn find(key: String) -> Option<String> {
        store::get(&key).unwrap()
    }
    fn names() -> Vec<String> {
        store::get_all().unwrap().into_iter().map(|(name, _)| name).collect()
    }
}
