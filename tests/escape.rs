//! What a hostile tool tries, and what it gets.
//!
//! The cases by their ids in the catalogue of attacks, and where each is held: classes A (exhaustion), B (escape),
//! D (destinations) and I (audit). `hostile` is `host/sandbox/src/tests/hostile.rs`, `sandbox` is
//! `host/sandbox/src/tests.rs`.
//!
//! | case | test |
//! |---|---|
//! | A-01 a loop | `calls/expired` a_tool_that_loops…, `calls/halted` a_switch_thrown_while_a_tool_computes…, `host/sandbox/src/tests/kill.rs` |
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
//! | A-15 log lines | `calls/limits` log_lines_over_the_limit…, `sandbox` capability/log lines_over_the_limit_of_a_second…, `escape/floods` a_long_log_line… |
//! | A-16 output that nobody takes | `wasi/plain` a_component_that_prints…: it goes nowhere and is kept nowhere |
//! | A-17 a large result | `calls/limits` a_result_ends_at_its_limit, …would_not_even_read… |
//! | A-18 a nested result | `escape/floods` an_answer_of_lists_within_lists… |
//! | A-19 results that grow in memory | `escape/exhaustion` results_of_very_many_small_things… |
//! | A-20 compressed responses | `vault` transport/coding/tests a_bomb_ends_at_the_limit |
//! | A-22 a server that never finishes | `vault` egress/tests a_request_ends_with_the_time_of_its_call, egress/tests/slow, `wasi/requests` a_client_that_waits… |
//! | A-24 a hostile HTTP/2 server | `vault` egress/tests/http2 |
//! | A-25 many calls at once | `host/sandbox/src/queue.rs`, `sandbox` tests/limits a_call_without_a_place…; 10,000 that wait: `benches/sandbox.rs` |
//! | A-26 no file descriptors left | `escape/exhaustion` without_descriptors… |
//! | A-27 the compiler is kept busy | `cli/compiling` the_compiler_meets_each_of_its_limits…, `host/sandbox/src/apart.rs` |
//! | A-29 malformed components | `fuzz` a_component_that_is_cut_or_changed_anywhere…, any_bytes… |
//! | A-30 a huge file | `host/toolward/src/component_file.rs` a_file_that_is_huge_or_endless… |
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
//! | B-10 a switch while a handle is held | `calls/halted` a_switch_thrown_mid_flight…, `doors/revoking` a_secret_and_a_grant… |
//! | B-12 widening on delegation | `capabilities/tools` a_called_tool_can_use_only_what_its_caller_holds…, a_handle_that_is_narrowed_by_tools…, and any narrowing: `sandbox` capability/handles |
//! | B-14 widening by syntax | `escape/requests` a_path_that_is_not_canonical… |
//! | B-15 a tool acts through another one | `capabilities/tools` a_tool_without_the_capability_calls_nobody, the_policies_are_asked_anew…, a_tree_is_found… |
//! | B-17 environment, arguments, folders | `wasi/plain` nothing_of_the_host_is_to_be_seen, a_variable_that_is_lent… |
//! | B-18 the clock | `capabilities/clock` a_coarse_clock…, `wasi/clocks` the_clocks_show_no_parts_of_a_millisecond |
//! | B-20 state across calls | `hostile` b20 |
//! | B-21 what a place remembers | `host/sandbox/src/tests/clean.rs` the_next_call_finds_all…, `hostile` b21 |
//! | B-23 does it exist? | `escape/authority` a_name_that_exists_and_one_that_does_not… |
//! | B-24 a manifest asks for everything | `calls/refused` a_required_capability_that_nobody_permits… |
//! | B-25 re-entrancy | `hostile` b25 |
//! | B-26 another engine configuration | `sandbox` tests/engines how_code_is_compiled… |
//! | B-27 two engines | by construction: a store is made from the engine that loaded the component; `sandbox` tests/engines |
//! | B-28 a vulnerable engine | `.ci/run`, advisories |
//! | B-29 files | `wasi/files` no_path_leads_out_of_it, no_link_leads_out_of_it…, a_directory_does_not_grow… |
//! | C-02, C-06 header fields, cookies | `vault` shape/tests, `escape/reflection` cookies_and_challenges…, sockets |
//! | C-03 reason, C-04 trailers, C-12 the corners of HTTP/2 and of chunks, C-29 parts | `escape/reflection/sockets` |
//! | C-08 TRACE and its like | `gate` capability/tests every_mistake…, `vault` egress/tests/smuggling a_method… |
//! | C-13 upgrades | `escape/reflection/sockets`, `vault` egress/tests/smuggling a_header_that_forwards… |
//! | C-27 ranges | `vault` egress/tests/smuggling a_header_that_forwards…, egress/tests/responses …does_not_take… |
//! | C-36 hashes of it | named as not found: `escape/reflection/matrix`; weak values: `vault` secret.rs |
//! | C-40 signatures for AWS | `vault` egress/tests/slots a_signature…, a_server_that_writes_back_the_signature… |
//! | C-42 a field that is the slot | `vault` egress/tests a_header_that_is_the_slot…, egress/tests/slots |
//! | C-43 placeholders | `vault` egress/tests/smuggling a_placeholder…; stand-ins: `wasi/stand_ins` |
//! | C-44 line breaks in a request | `vault` egress/tests a_header_that_routes…, target/tests |
//! | C-45, C-47 other forms of a target | `vault` egress/tests/smuggling a_target_of_another_form…, target/tests |
//! | C-46 headers that route | `vault` egress/tests a_header_that_routes…, egress/tests/smuggling |
//! | C-48 a credential in the query | `vault` egress/tests/smuggling a_credential_in_the_query… |
//! | C-51 which credential? | by construction: a request names its capability, and that has one credential |
//! | C-05, C-49, C-50 redirects | `vault` shape/tests, egress/tests/responses a_redirect…, `escape/requests` a_redirect… |
//! | C-10 challenges | `vault` egress/tests/responses a_tool_sees_no_cookie…, shape/tests no_scope_shows… |
//! | C-37 length and status as a signal | `escape/shaping` what_a_server_that_colludes_can_say_is_bounded… |
//! | C-52, C-53 another place or verb of an allowed host | `escape/shaping` an_allowed_host_is_allowed… |
//! | C-54 a shared cache | by construction: no response is kept |
//! | C-39 a derived token | `vault` egress/tests/minted, `brokers/oauth2` a_token_that_the_api_repeats… |
//! | H-01 parallel overspend | `state` crowd a_thousand_callers…, crowd/killed, each with `CROWD_ROUNDS=100` in `.ci/run`; contract a_budget_is_never_over_admitted… |
//! | H-02 to H-06 settling and odd numbers | `gate` account/tests, limit/tests, capability/meter.rs, `state` tests/metered, oracle, `vault` egress/tests/metered, `calls/metered`, `cli/budgets` |
//! | H-07, H-08 the clock | `state` tests/budgets a_clock_that_steps_back…, limits a_clock_that_jumped…, sweeping a_grant_that_has_ended…, `gate` life/tests/ending: a life is measured in time that nobody sets back |
//! | H-09, H-10 the edges of windows, the calendar | `gate` limit/tests, `state` tests/budgets, limits a_month_ends… |
//! | H-11 counters after a crash | `state` crowd/killed, crash a_host_that_is_killed…, limits what_a_lost_host_had_spent… |
//! | H-12 a ledger that was changed | `state` limits a_ledger_that_was_changed…, opening |
//! | H-26 who pays for a called tool | `capabilities/tools` what_a_called_tool_uses… |
//! | H-28 retries of the host | by construction: the client of `vault` transport.rs is told never to retry; each request that a tool repeats is charged, `calls/metered` |
//! | H-16 a kill's latency | `benches/kill`: until the upstream sees each connection end |
//! | H-17 a kill in every phase | `calls/every_wait`, `calls/halted` a_switch_thrown_while_a_person_is_asked…, `gate` life/tests/ending |
//! | H-18 a kill against completion | `calls/halted` what_the_caller_of_a_killed_call…, `gate` life/tests/interleaved |
//! | H-19 a kill survives a restart | `calls/halted` every_kind_of_switch…, `state` tests/switches |
//! | H-20 a switch is lifted | `calls/halted` a_switch_thrown_while…, `state` tests/switch_model |
//! | H-21 slips in a switch's name | `cli/killing` a_switch_that_names_nothing… |
//! | H-23 a storm of switches | `state` tests/switch_model a_storm… |
//! | H-24 a credential's switch | `vault` egress/tests/minted what_was_minted_before_a_switch…, a_switch_ends…, a_switch_withdraws…, broker/cache/tests, `cli/withdrawing` |
//! | J-13, J-16 a server that fails or refuses | `vault` broker/cache/tests, egress/tests/minted an_api_that_refuses… |
//! | C-01 to C-05, C-07, C-10, C-12, C-14 to C-22, C-26, C-32, C-38 an echo | `escape/reflection/matrix` the_matrix…, `vault` egress/tests/responses |
//! | C-24 compressed echoes | `vault` transport/coding/tests, egress/tests/responses an_encoded_response… |
//! | C-26 pieces | `vault` scan/tests/pieces |
//! | C-39 derived values | `vault` scan/registry |
//! | C-55 the end of a long body | `vault` scan/tests/pieces; a body is searched to its end or refused |
//! | C-58 benign bodies | `escape/reflection/matrix` benign_bodies… |
//! | C-59 sweep | `escape/reflection` no_import_and_no_byte_of_memory…, by `decode.py` |
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
//! | I-01 a record is edited, deleted, inserted, moved | `state` tampering every_class_of_tampering…, `cli/auditing` a_record_that_was_changed… |
//! | I-02 the end is cut off | `state` tampering, `cli/trail` a_tail_that_was_cut_off…, `cli/anchoring` |
//! | I-03 the whole trail is gone | `state` tampering, anchors a_host_does_not_start_on_an_older_copy… |
//! | I-04, I-05 hashes are made anew | `state` tampering, with and without the key |
//! | I-06 no seal, or another one | `state` tampering, a_trail_from_before_there_was_a_key… |
//! | I-08, I-09 many writers, two processes | `state` contract records_of_all_hosts…, audit several_writers… |
//! | I-10 a full disk | `state` group a_full_disk… |
//! | I-11 the disk fails | `state` group after_the_disk_failed… |
//! | I-12, I-14 a crash at any step | `state` crash a_host_that_is_killed_at_any_step… |
//! | I-15, I-16 control characters, fields | `state` search control_characters…, what_is_looked_for…, `toolward` command/audit/cef |
//! | I-18 canonical arguments, read by another program | `gate` json/independent another_program_takes… |
//! | I-20 the clock is set back | `state` audit/verify counts it; budgets never reopen (ledger) |
//! | I-21 everything is on record, once | `calls/complete` the_trail_holds_what_happened…; a caller who is nobody writes nothing: `cli/auditing` |
//! | I-22 checkpoints cannot be written | `state` anchors while_no_checkpoint_can_be_written…, `cli/trail`, `cli/anchoring` a_place_that_takes_nothing… |
//! | I-23 a hostile place elsewhere | `state` tests/hostile; `vault` courier/listing |
//! | I-25 types that hold secrets | `cannot` print_secret, print_signed, store_permit |
//! | I-26 header fields in logs | `escape/reflection` no_import_and_no_byte_of_memory…, whose log is at the finest level |
//! | I-27 what errors say | `vault` egress/tests: each error of each test, by `spills_nothing` |
//! | I-28 what panics say | `host/sandbox/src/stop.rs` a_panic_in_the_host…, `cli/calling` a_tool_that_crashes…; a panic cannot format a secret (I-25) |
//! | I-29 metrics and spans | `telemetry` traces_and_metrics_arrive…, `host/toolward/src/telemetry/tests.rs` |
//! | I-30 core dumps | `cli/memory` a_host_that_crashes…, `vault` memory |
//! | I-31 environment and arguments | `sandbox` apart what_the_compiler_writes…; a passphrase is asked for, or is in a file that only its owner reads |
//! | I-33 files beside the store | `escape/reflection` no_import_and_no_byte_of_memory…, which reads every file of the host |
//! | I-35 swap | `cli/memory` whether_memory…, `vault` memory, `host/toolward/src/wiring/memory.rs` |
//! | I-37 who reads the trail | `doors/administering` who_has_no_role…, who_looks_at_the_trail… |
//!
//! Of class E (who calls), `authn` is `host/toolward/src/authn/tests.rs`, `catalogue` is `catalogue.rs` below it:
//!
//! | case | test |
//! |---|---|
//! | E-01, E-02 algorithms | `authn` an_algorithm_that_the_token_chooses… |
//! | E-03, E-04 keys and addresses in the header | `catalogue` a_key_that_comes…, `authn` a_header_that_brings_a_key… |
//! | E-05 names of keys | `catalogue` a_name_of_a_key… |
//! | E-06 missing claims | `authn` a_claim_that_is_missing… |
//! | E-07 other types | `catalogue` a_claim_of_another_type… |
//! | E-08 audiences | `catalogue` an_audience_is_ours… |
//! | E-10, E-18 time | `catalogue` a_token_is_good_from…, times_at_the_edge… |
//! | E-11 size | `catalogue` a_token_that_is_too_long… |
//! | E-12 members twice | `catalogue` a_member_that_stands_twice… |
//! | E-13 `crit` | `authn` a_header_that_brings_a_key… |
//! | E-15 other writings | `catalogue` another_writing…, `authn/keys` public_vectors… |
//! | E-16 public vectors | `authn/keys` public_vectors…, each deviation with its reason |
//! | E-17 after a revocation, and shown again | `cli/revoking`, `doors/revoking`, `doors/proofs` a_token_that_is_bound…, `doors/certificates` tokens_that_are_bound…, `authn` a_denied_token…, `state` denials |
//! | E-19 rotation | `brokers/issuer`, `authn/jwks` a_new_key_is_found… |
//! | E-20, E-21 outage and flood | `authn/jwks` keys_are_used…, an_answer_that_is_no_key_set…, many_tokens_at_once… |
//! | E-23 scopes | `catalogue` a_scope_is_read…, `doors/proofs` the_scope_that_is_missing… |
//! | E-24 another door | `catalogue` a_token_for_another_door…, `doors/exchanging` a_token_for_one_door…, `doors/endpoints`, `brokers/issuer`, `doors/guarding` every_fault_of_a_token…, `doors/rest` a_held_call… |
//! | E-31 what is said | `catalogue` what_is_said…, `doors/guarding` |
//!
//! Those about doors (`doors` is `tests/doors/`, `door` is `host/toolward/src/door/`):
//!
//! | case | test |
//! |---|---|
//! | E-25 where a token stands | `doors/guarding` a_token_is_taken_from_its_one_field… |
//! | E-28 somebody else's call | `doors/rest` a_call_is_answered_and_what_became_of_it…; a task: `doors/tasks`, `state` tests/tasks |
//! | E-29 the token is passed on | `doors/guarding` the_callers_token_ends_at_the_door |
//! | E-30 work before authentication | `doors/guarding` who_shows_no_token_is_answered_before…, one_connection_more…; `door` listener.rs, body.rs |
//! | F-01, F-04 poisoned and invisible text | `sandbox` manifest, `cli/bad_components` a_manifest_with_hidden_text |
//! | F-02 a tool that changes | `cli/accepting`, `doors/accepting`; a file that was changed: `cli/bad_components` a_component_that_was_changed_after… |
//! | F-03 two tools of one name | `cli/bad_components` two_components_with…; a name is ASCII |
//! | F-06, F-07 rebinding | `door` place.rs, `doors/guarding` a_page_in_a_browser… |
//! | F-08 a simple request | `doors/guarding` a_page_in_a_browser… |
//! | F-10, F-11, F-12 sessions | `doors/mcp` a_session_that_a_client_names…: there are none |
//! | F-13 answers to others | `doors/mcp` every_answer_goes_to_its_own_client |
//! | F-14 to F-18 ids, batches, sizes, depth, keys | `doors/guarding` bodies_that_two_readers… |
//! | F-20, F-21 fields and versions | `doors/mcp` fields_that_say_otherwise…, both_lifecycles… |
//! | F-22, F-23 cancelling | `doors/mcp` a_client_that_hangs_up…, `doors/rest` a_caller_that_hangs_up… |
//! | F-24 progress | `doors/mcp` progress_comes_as_a_stream… |
//! | F-26 elicitation | `doors/asking`, `mcp/asking`: only the host asks, by `https`, and for nothing |
//! | F-32, F-33 standard input and output | `mcp/calling` the_log_at_its_loudest…, `mcp/ending` |
//! | F-37 conformance | `.ci/clients`, `tests/clients/conformance-*.yml` |
//!
//! And those about policies and owners:
//!
//! | case | test |
//! |---|---|
//! | F-35 a caller's trace context | `telemetry` traces_and_metrics_arrive…, a_server_learns… |
//! | G-01 arguments that changed | `calls/narrower` arguments_that_differ…, `gate` permit/tests/bound a_yes_binds_the_arguments |
//! | G-02, G-11, G-12 what hides, reorders, acts on a screen or looks like something else | `gate` approval/shown, approval/lookalike, `calls/narrower` what_is_shown…, `cli/showing` |
//! | G-03 a cut display | `gate` approval/shown any_text…, `cli/asking` slack_has_no_button… |
//! | G-04 another context | `gate` permit/tests/bound, permit/tests/exchanged, `calls/narrower` an_exception_is_for_one_caller… |
//! | G-05, G-17 one yes, many runs | `calls/approval` of_two_who_race…, `state` spending, asking |
//! | G-06 another component | `gate` permit/tests/bound a_yes_binds_the_component… |
//! | G-07 an agent's own yes | `calls/approval` nobody_decides…, `state` asking nobody_who_stands_behind…, `cli/approving` |
//! | G-09 a flood | `state` asking, `calls/narrower` a_flood_of_held_calls…, `cli/asking` as_many_questions… |
//! | G-10 questions that look alike | `gate` approval/compared, `state` standing a_question_says_what_is_other…, `cli/approving` a_question_shows… |
//! | G-15, G-16 the moment of expiry, two answers at once | `state` approvals, asking questions_are_what_a_naive_model_says |
//! | G-18, G-19 other sites' forms and frames | `cli/asking` mail_brings_a_link…: no cookie decides, GET changes nothing |
//! | G-20 a restart while people are asked | `state` asking a_question_keeps_its_steps…, `calls/approval` an_approval_survives… |
//! | G-21 a crash between yes and run | `state` crash |
//! | G-22 a yes, and then other policies | `gate` permit/tests/exchanged a_yes_counts_only…, `calls/approval` a_policy_has_the_last_word… |
//! | G-24 who said yes has lost the role | `state` standing |
//! | G-26 a forged answer | `vault` notice/tests, `cli/asking` slack_shows_all… |
//! | G-28 inner calls | `capabilities/tools` the_policies_are_asked_anew…, `cli/delegating` |
//! | G-32 what messages hold | `cli/asking` a_webhook_is_told…, slack_has_no_button…, mail_brings_a_link… |
//! | I-17 long arguments in the trail | `gate` recording arguments_of_any_length… |
//! | J-15 a loan that ends mid-call | `calls/owned` a_grant_that_is_taken_back…, `vault` egress/tests/owned |
//! | J-23 policies that are half written | `mcp/reloading` policies_are_exchanged… |
//!
//! Held in part: A-25 (the figures of fairness are the soak's), B-18 (a loop
//! that counts measures less than the clock tells, which cannot be prevented), H-27 (what nobody is known to have asked
//! for leaves no record, `cli/auditing`; a known caller that is refused again and again is recorded each time, in groups with the others, and has no rate for that),
//! I-31 (a secret that the operator keeps in a variable stays in the environment of the host: no other process of the
//! host's gets it; on Linux no other process of the same user reads it there).
mod authority;
mod exhaustion;
mod extremes;
mod floods;
pub(crate) mod reflection;
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
