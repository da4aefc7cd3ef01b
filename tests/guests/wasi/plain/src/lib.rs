//! A component of the standard library that knows nothing of this host: it prints, and looks around.
wit_bindgen::generate!({
    inline: "
        package acme:plain;
        interface look {
            /// Counts the words of a text, and prints them.
            words: func(text: string) -> u32;
            /// The value of a variable of the environment.
            variable: func(name: string) -> option<string>;
            /// Everything that is to be seen from in here.
            around: func() -> list<string>;
            /// Ends the process.
            leave: func(code: s32);
            /// Panics, with a message.
            panic: func();
        }
        world plain { export look; }
    ",
});

struct Plain;
export!(Plain);

impl exports::acme::plain::look::Guest for Plain {
    fn words(text: String) -> u32 {
        for word in text.split_whitespace() {
            println!("{word}");
            eprintln!("{word}");
        }
        u32::try_from(text.split_whitespace().count()).unwrap()
    }
    fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }
    fn around() -> Vec<String> {
        let mut seen: Vec<String> = std::env::args().collect();
        seen.extend(std::env::vars().map(|(name, value)| format!("{name}={value}")));
        let mut line = String::new();
        if matches!(std::io::stdin().read_line(&mut line), Ok(read) if read > 0) {
            seen.push(line);
        }
        seen
    }
    fn leave(code: i32) {
        std::process::exit(code)
    }
    fn panic() {
        panic!("the plain tool breaks off")
    }
}
