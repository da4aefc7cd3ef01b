//! What a hostile tool tries, and what it gets.
//!
//! The cases by their ids in the catalogue of attacks, classes A (exhaustion), B (escape) and D (destinations), and where each is
//! held. `hostile` is `host/sandbox/src/tests/hostile.rs`, `sandbox` is `host/sandbox/src/tests.rs`.
//!
//! | case | test |
//! |---|---|
//! | A-01 a loop | `calls/expired` a_tool_that_loops…, `calls/halted` a_switch_thrown_while_a_tool_computes… |
//! | A-02 a loop over a host call | `escape/floods` a_tool_that_loops_over_a_cheap_host_call… |
//! | A-03 waits in a host call | `calls/expired` a_tool_that_waits_for_an_answer… |
//! | A-04 memory | `calls/limits` memory_ends_at_its_limit…; 64-bit memory under A-35 |
//! | A-05 many memories and instances | `hostile` a05 |
//! | A-06 tables | `hostile` a06 |
//! | A-07 recursion | `calls/limits` recursion_ends_at_the_stack |
//! | A-09 a large argument of a host call | `hostile` a09 |
//! | A-10 an endless response | `escape/requests` a_response_of_another_kind_or_size…, `vault` egress/tests/responses |
//! | A-11 handles | `calls/limits` handles_end_at_their_limit… |
//! | A-12 header fields | `escape/extremes` more_header_fields… |
//! | A-13 extreme times | `escape/extremes` a_time_of_any_length… |
//! | A-14 a long target | `escape/extremes` a_target_of_any_length… |
//! | A-15 log lines | `calls/limits` log_lines_over_the_limit…, `escape/floods` a_long_log_line… |
//! | A-17 a large result | `calls/limits` a_result_ends_at_its_limit, …would_not_even_read… |
//! | A-18 a nested result | `escape/floods` an_answer_of_lists_within_lists… |
//! | A-20 compressed responses | `vault` egress/tests/responses |
//! | A-29 malformed components | `fuzz` a_component_that_is_cut_or_changed_anywhere…, any_bytes… |
//! | A-30 a huge file | `cli/bad_components` |
//! | A-32 work at the start | `calls/expired` a_tool_that_does_not_get_past_its_start… |
//! | A-33 bulk memory | `hostile` a33 |
//! | A-34 a store is used again | by construction: the store lives in one function of `host/sandbox/src/run.rs` |
//! | A-35 proposals | `hostile` a35 |
//! | A-37 random bytes | `hostile` a37 |
//! | A-38 the canonical ABI | `hostile` a38 |
//! | A-40 a host function panics | `host/sandbox/src/stop.rs` a_panic_in_the_host… |
//! | B-01 an import that was not granted | `sandbox` an_import_that_no_capability_opens…, `calls/refused` an_import_that_no_wanted… |
//! | B-02 what the machine has | `hostile` b02 |
//! | B-04 an inner component | `hostile` b04 |
//! | B-05 guessed handles | `escape/authority` a_handles_number_that_is_made_up… |
//! | B-06 dropped handles | `hostile` b06 |
//! | B-07 a handle of another call | `escape/authority` nothing_that_a_tool_keeps… |
//! | B-09 a handle after its time | `escape/extremes` a_handle_whose_time_is_over… |
//! | B-10 a switch while a handle is held | `calls/halted` a_switch_thrown_mid_flight… |
//! | B-14 widening by syntax | `escape/requests` a_path_that_is_not_canonical… |
//! | B-20 state across calls | `hostile` b20 |
//! | B-21 what a place remembers | `hostile` b21 |
//! | B-23 does it exist? | `escape/authority` a_name_that_exists_and_one_that_does_not… |
//! | B-24 a manifest asks for everything | `calls/refused` a_required_capability_that_nobody_permits… |
//! | B-25 re-entrancy | `hostile` b25 |
//! | C-39 a derived token | `vault` egress/tests/minted, `brokers/oauth2` a_token_that_the_api_repeats… |
//! | H-24 a credential's switch | `vault` egress/tests/minted what_was_minted_before_a_switch…, a_switch_ends… |
//! | J-13, J-16 a server that fails or refuses | `vault` broker/cache/tests, egress/tests/minted an_api_that_refuses… |
//! | B-28 a vulnerable engine | `.ci/run`, advisories |
//! | C-01 to C-05, C-07, C-10, C-12, C-14 to C-22, C-26, C-32, C-38 an echo | `escape/reflection/matrix` the_matrix…, `vault` egress/tests/responses |
//! | C-24 compressed echoes | `vault` transport/coding/tests, egress/tests/responses an_encoded_response… |
//! | C-26 pieces | `vault` scan/tests/pieces |
//! | C-39 derived values | `vault` scan/registry |
//! | C-55 the end of a long body | `vault` scan/tests/pieces; a body is searched to its end or refused |
//! | C-58 benign bodies | `escape/reflection/matrix` benign_bodies… |
//! | C-59 sweep | `escape/reflection` no_import_and_no_byte_of_memory…, by `decode.py` |
//! | C-02, C-06 header fields, cookies | `vault` shape/tests, `escape/reflection` cookies_and_challenges… |
//! | C-05, C-49, C-50 redirects | `vault` shape/tests, egress/tests/responses a_redirect…, `escape/requests` a_redirect… |
//! | C-10 challenges | `vault` egress/tests/responses a_tool_sees_no_cookie…, shape/tests no_scope_shows… |
//! | C-37 length and status as a signal | `escape/shaping` what_a_server_that_colludes_can_say_is_bounded… |
//! | C-52, C-53 another place or verb of an allowed host | `escape/shaping` an_allowed_host_is_allowed… |
//! | C-54 a shared cache | by construction: no response is kept |
//! | H-02 to H-06 settling and odd numbers | `gate` account/tests, capability/meter.rs, `state` tests/metered, `vault` egress/tests/metered, `calls/metered` |
//! | B-28 a vulnerable engine | `.ci/run`, advisories |
//! | D-01, D-03, D-13 spellings of an address | `vault` egress/tests/ssrf no_spelling_of_a_private_address…, address/tests |
//! | D-02 two parsers | `vault` target/tests, `fuzz` any_target_leaves_as_it_came… |
//! | D-04 the registries | `vault` address/tests blocks_of_the_registries… |
//! | D-05, D-10 what a name leads to | `vault` address/tests one_bad_address_refuses… |
//! | D-06 metadata services | `vault` address/tests metadata_link_local… |
//! | D-08 a name that turns | `vault` egress/tests/ssrf a_name_that_turns…, a_kept_connection… |
//! | D-09 mixed answers | `vault` egress/tests/ssrf a_name_that_turns…, address/tests one_bad_address… |
//! | D-12 redirects | `vault` egress/tests a_redirect…, scan `location` |
//! | D-14, D-15 dots, case, look-alikes | `vault` egress/tests/ssrf no_spelling…; a destination is lower-case ASCII |
//! | D-16 wildcards | `gate` capability/tests/servers a_destination_is_one_host… |
//! | D-17 ports | `gate` capability/tests/servers a_destination_is_one_host…, `vault` egress/tests one_of_several… |
//! | D-18 traversal | `escape/requests` a_path_that_is_not_canonical…, `vault` target/tests |
//! | D-19, D-26 what is sent is what was checked | `vault` egress/tests/ssrf what_is_dialled_and_sent… |
//! | D-20 query keys | `vault` egress/tests a_request_outside…, `vault` target/tests |
//! | D-21 to D-22, D-27 overrides, framing, upgrades | `vault` egress/tests a_header_that_routes… |
//! | D-24 proxies | `cli/calling` proxies_of_the_environment… |
//! | D-29 cleartext | `vault` address/tests a_request_in_the_clear…, `gate` capability/tests/servers |
//! | D-30 certificates | `vault` egress/tests/tls |
//! | D-31 other schemes | `vault` egress/tests/ssrf no_spelling… |
//! | D-32 hooks | by construction: who answers for names is chosen by the crate's own tests |
//! | D-33 names as a leak | `vault` address/tests a_local_name…; a tool names no host that is not a destination |
//!
//! Not here: A-16 (there is no standard output to write to before one is lent), A-19 (memory of the host under many
//! results needs a process of its own to measure), A-22 and A-24 (slow and hostile servers are the vault's, and
//! HTTP/2 is not spoken to a tool's destination by default), A-25 to A-27 (queue, descriptors and the compiler stand
//! beside the queue and the compiler), B-12 and B-15 (no tool calls another one through these worlds), B-17 and B-29
//! (environment and files belong to the tests of WASI), B-18 (the clock tells milliseconds: its interface holds no
//! more; a counting loop still measures less, which cannot be prevented), B-26 and B-27 (the engine is configured in
//! one function, and a store is made from the engine that loaded the component).
mod authority;
mod extremes;
mod floods;
mod reflection;
mod requests;
mod shaping;

use serde_json::Value;
use toolward_gate::Stop;
use toolward_sandbox::Output;

/// The tool's own code, where it failed by something that it was told.
fn told(outcome: &Result<Output, Stop>) -> &str {
    match outcome {
        Err(Stop::Failed(failure)) => &failure.code,
        other => panic!("the tool was told nothing: {other:?}"),
    }
}

/// A request, as the tool that sends anything takes it.
fn get(target: &str) -> Value {
    serde_json::json!({ "method": "GET", "target": target })
}
