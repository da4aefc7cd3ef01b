//! What arrives at a webhook and in a bucket, over real TLS.
use std::{collections::BTreeMap, sync::Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::*;
use crate::broker::tests::{Drawer, Endpoint as Server, Request, answer};

const KEY: &str = "hk_7Qm2xV9pLr5vTnB4yUj9";

fn courier(server: &Server) -> Arc<Courier> {
    let extra_roots_pem = Some(server.authority.clone().into_bytes());
    Arc::new(Courier::new(EgressSettings { extra_roots_pem, ..EgressSettings::default() }).unwrap())
}

fn store(secrets: &[(&str, &str)]) -> Arc<dyn SecretStore> {
    let store = Drawer::default();
    secrets.iter().for_each(|(name, value)| store.put(name, value));
    Arc::new(store)
}

fn webhook(server: &Server, more: &str) -> Webhook {
    let config =
        format!("url = \"{}\"\nstore = \"local\"\nsecret = \"hook\"\n{more}", server.url("/hook"));
    Webhook::new(toml::from_str(&config).unwrap(), store(&[("hook", KEY)]), courier(server))
}

#[tokio::test]
async fn a_webhook_is_told_with_a_signature_that_its_key_alone_makes() {
    let server = Server::start(|_, _| answer("204 No Content", "text/plain", "")).await;
    webhook(&server, "allow_private = true").tell("point-1", "{\"a\":1}").await.unwrap();
    let seen = server.seen().remove(0);
    assert_eq!((seen.line.as_str(), seen.body.as_str()), ("POST /hook HTTP/1.1", "{\"a\":1}"));
    let at = seen.header("webhook-timestamp").unwrap();
    let verify = |key: &str, body: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(format!("point-1.{at}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    assert_eq!(seen.header("webhook-id"), Some("point-1"));
    assert_eq!(seen.header("webhook-signature"), Some(verify(KEY, &seen.body).as_str()));
    assert_ne!(seen.header("webhook-signature"), Some(verify("another", &seen.body).as_str()));
    assert_ne!(seen.header("webhook-signature"), Some(verify(KEY, "{\"a\":2}").as_str()));
    assert!(!format!("{seen:?}").contains(KEY));
}

#[tokio::test]
async fn who_does_not_take_it_or_may_not_be_reached_was_not_told() {
    for (code, status) in [("500", "500 m4rk"), ("302", "302 Found"), ("404", "404 Not Found")] {
        let server = Server::start(move |_, _| answer(status, "text/plain", "m4rk")).await;
        let hook = webhook(&server, "allow_private = true");
        let error = hook.tell("a", "{}").await.unwrap_err().to_string();
        assert!(error.contains(code) && !error.contains("m4rk"), "{error}");
    }
    let server = Server::start(|_, _| answer("200 OK", "text/plain", "")).await;
    let error = webhook(&server, "").tell("a", "{}").await.unwrap_err();
    assert!(error.to_string().contains("may not be dialled"), "{error}");
    assert!(server.seen().is_empty());
    let plain = "url = \"http://hooks.example.com/\"\nstore = \"local\"\nsecret = \"hook\"";
    assert!(toml::from_str::<WebhookConfig>(plain).unwrap_err().to_string().contains("`https`"));
}

/// A bucket in memory: pages of three.
async fn bucket_server() -> Server {
    let objects = Mutex::new(BTreeMap::<String, String>::new());
    Server::start(move |request, _| serve(&mut objects.lock().unwrap(), request)).await
}

fn serve(objects: &mut BTreeMap<String, String>, request: &Request) -> Vec<u8> {
    let mut words = request.line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let authorization = request.header("authorization").unwrap_or_default();
    let scope = "/eu-central-1/s3/aws4_request";
    if !authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")
        || !authorization.contains(scope)
    {
        return answer("403 Forbidden", "application/xml", "<Error/>");
    }
    let url = url::Url::parse(&format!("https://bucket{target}")).unwrap();
    let name = url.path().strip_prefix("/audit/").unwrap().to_owned();
    match (method, name.as_str()) {
        ("PUT", _) => {
            objects.insert(name, request.body.clone());
            answer("200 OK", "application/xml", "")
        }
        ("GET", "") => {
            let pairs: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
            let after = objects.keys().filter(|key| **key > pairs["start-after"]);
            let all: Vec<_> = after.filter(|key| key.starts_with(&pairs["prefix"])).collect();
            let entry = |key: &&&String| format!("<Contents><Key>{key}</Key></Contents>");
            let keys: String = all.iter().take(3).map(|key| entry(&key)).collect();
            let body = format!(
                "<ListBucketResult><IsTruncated>{}</IsTruncated>{keys}</ListBucketResult>",
                all.len() > 3
            );
            answer("200 OK", "application/xml", &body)
        }
        _ => objects.get(&name).map_or_else(
            || answer("404 Not Found", "application/xml", "<Error/>"),
            |body| answer("200 OK", "application/json", body),
        ),
    }
}

fn bucket(server: &Server, id: &str) -> Bucket {
    let config = format!(
        "url = \"{}\"\nprefix = \"host-1/\"\nregion = \"eu-central-1\"\nallow_private = true\n\
         store = \"local\"\naccess_key_id = \"id\"\nsecret_access_key = \"key\"",
        server.url("/audit")
    );
    let secrets = [("id", id), ("key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")];
    Bucket::new(toml::from_str(&config).unwrap(), store(&secrets), courier(server))
}

#[tokio::test]
async fn an_object_is_put_with_its_checksum_and_is_found_and_read_again() {
    let server = bucket_server().await;
    let bucket = bucket(&server, "AKIAIOSFODNN7EXAMPLE");
    for number in 1..=7 {
        bucket.put(&format!("{number}.json"), &format!("{{\"n\":{number}}}")).await.unwrap();
    }
    let put = server.seen().remove(0);
    assert_eq!(put.line, "PUT /audit/host-1/1.json HTTP/1.1");
    let sum = STANDARD.encode(<Sha256 as sha2::Digest>::digest(b"{\"n\":1}"));
    assert_eq!(put.header("x-amz-checksum-sha256"), Some(sum.as_str()));
    assert!(put.header("authorization").unwrap().contains("x-amz-checksum-sha256"), "it is signed");
    let all: Vec<String> = (1..=7).map(|number| format!("{number}.json")).collect();
    assert_eq!(bucket.names_after("").await.unwrap(), all);
    assert_eq!(bucket.names_after("5.json").await.unwrap(), all[5..]);
    assert_eq!(bucket.read("7.json").await.unwrap(), "{\"n\":7}");
    assert_eq!(bucket.read("8.json").await.unwrap_err().to_string(), "the server answers 404");
}

#[tokio::test]
async fn a_bucket_that_does_not_know_the_keys_takes_and_shows_nothing() {
    let server = bucket_server().await;
    let bucket = bucket(&server, "AKIAI44QH8DHBEXAMPLE");
    let refused = "the server answers 403";
    assert_eq!(bucket.put("1.json", "{}").await.unwrap_err().to_string(), refused);
    assert_eq!(bucket.names_after("").await.unwrap_err().to_string(), refused);
}

#[test]
fn what_is_configured_of_a_bucket_is_checked() {
    let parse = |from: &str, to: &str| {
        let text = "url = \"https://audit.s3.example.com/\"\nprefix = \"a/\"\nregion = \"eu-central-1\"\n\
            store = \"local\"\naccess_key_id = \"id\"\nsecret_access_key = \"key\"";
        toml::from_str::<BucketConfig>(&text.replace(from, to)).map_err(|error| error.to_string())
    };
    parse("", "").unwrap();
    parse(".com/", ".com/audit").unwrap();
    for (from, to, why) in [
        (".com/", ".com/audit/", "empty segment"),
        (".com/", ".com/?a=b", "no `?`"),
        ("https", "http", "over `https`"),
        ("\"a/\"", "\"a b\"", "`prefix` is made of"),
        ("\"a/\"", "\"/a\"", "`prefix` is made of"),
        ("\"a/\"", "\"a/../b\"", "`prefix` is made of"),
        ("region", "regions", "unknown field"),
    ] {
        let error = parse(from, to).unwrap_err();
        assert!(error.contains(why), "{from} {to}: {error}");
    }
}
