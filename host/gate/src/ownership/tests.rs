use std::sync::Mutex;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::{Identity, Kind};

#[derive(Default)]
struct Book(Mutex<Vec<CredentialGrant>>, bool);

#[async_trait]
impl GrantBook for Book {
    async fn grants(
        &self,
        _: Option<&CredentialName>,
    ) -> Result<Vec<CredentialGrant>, Unavailable> {
        if self.1 {
            Err(Unavailable::new("the book", "closed"))
        } else {
            Ok(self.0.lock().unwrap().clone())
        }
    }
    async fn grant(&self, grant: CredentialGrant) -> Result<(), Unavailable> {
        self.0.lock().unwrap().push(grant);
        Ok(())
    }
    async fn revoke(
        &self,
        _: &CredentialName,
        _: &Party,
        _: Option<&ToolName>,
        _: &str,
        _: &str,
    ) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

struct Noon(Mutex<Timestamp>);
impl Clock for Noon {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn noon() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

fn hours(count: i64) -> Timestamp {
    noon().checked_add(SignedDuration::from_hours(count)).unwrap()
}

fn principal(id: &str, role: &str, group: &str) -> Principal {
    Principal::authenticated(Identity {
        id: id.to_owned(),
        kind: Kind::Agent,
        roles: [role.to_owned()].into(),
        groups: [group.to_owned()].into(),
        acts_for: vec!["ana".to_owned()],
        scope: None,
        ends_at: None,
    })
}

fn tool(name: &str) -> ToolName {
    name.parse().unwrap()
}

fn stripe() -> CredentialName {
    "stripe".parse().unwrap()
}

fn party(text: &str) -> Party {
    text.parse().unwrap()
}

fn grant(to: &str, only: Option<&str>, ends_at: Timestamp) -> CredentialGrant {
    CredentialGrant {
        credential: stripe(),
        to: party(to),
        tool: only.map(tool),
        by: "ana".to_owned(),
        reason: String::new(),
        since: noon(),
        ends_at,
    }
}

fn owned(by: &[&str], grants: Vec<CredentialGrant>) -> Ownership {
    let owners = [(stripe(), by.iter().map(|one| party(one)).collect())].into();
    Ownership::new(Arc::new(owners), Arc::new(Book(Mutex::new(grants), false)))
}

async fn may(ownership: &Ownership, who: &Principal, with: &str, now: Timestamp) -> bool {
    let not_yours = ownership.not_yours(who, &tool(with), now).await.unwrap();
    !not_yours.contains(&stripe())
}

#[tokio::test]
async fn an_owner_uses_its_own_and_whom_it_acts_for_does_not_make_it_one() {
    let robo = principal("robo", "assistant", "acme");
    for (owner, is_one) in [
        ("principal:robo", true),
        ("role:assistant", true),
        ("group:acme", true),
        ("principal:ana", false),
        ("principal:assistant", false),
        ("role:acme", false),
        ("group:robo", false),
    ] {
        assert_eq!(may(&owned(&[owner], vec![]), &robo, "pay", noon()).await, is_one, "{owner}");
    }
    assert!(!may(&owned(&[], vec![]), &robo, "pay", noon()).await, "nobody owns it");
    assert!(may(&Ownership::open(), &robo, "pay", noon()).await);
}

#[tokio::test]
async fn a_grant_lets_use_until_its_end_and_with_its_tool_only() {
    let robo = principal("robo", "assistant", "acme");
    for to in ["principal:robo", "role:assistant", "group:acme", "tool:pay"] {
        let ownership = owned(&["principal:ana"], vec![grant(to, None, hours(1))]);
        assert!(may(&ownership, &robo, "pay", noon()).await, "{to}");
        assert!(!may(&ownership, &robo, "pay", hours(1)).await, "{to} at its end");
        let other = may(&ownership, &robo, "refund", noon()).await;
        assert_eq!(other, to != "tool:pay", "{to}");
        let narrow = owned(&["principal:ana"], vec![grant(to, Some("pay"), hours(1))]);
        assert!(may(&narrow, &robo, "pay", noon()).await, "{to}");
        assert!(!may(&narrow, &robo, "refund", noon()).await, "{to}");
    }
    let other = owned(&["principal:ana"], vec![grant("principal:rita", None, hours(1))]);
    assert!(!may(&other, &robo, "pay", noon()).await);
}

#[tokio::test]
async fn a_use_is_asked_about_at_its_moment() {
    let ownership = owned(&["principal:ana"], vec![grant("principal:robo", None, hours(1))]);
    let clock = Arc::new(Noon(Mutex::new(noon())));
    let custody = Custody {
        ownership,
        principal: principal("robo", "assistant", "acme"),
        tool: tool("pay"),
        clock: clock.clone(),
    };
    custody.check(&stripe()).await.unwrap();
    custody.check(&"github".parse().unwrap()).await.unwrap();
    *clock.0.lock().unwrap() = hours(1);
    assert!(matches!(custody.check(&stripe()).await, Err(CustodyError::NotYours)));
}

#[tokio::test]
async fn a_book_that_cannot_be_read_lets_nobody_use_but_the_owners() {
    let owners: Owners = [(stripe(), [party("principal:ana")].into())].into();
    let ownership = Ownership::new(Arc::new(owners), Arc::new(Book(Mutex::default(), true)));
    let (ana, robo) = (principal("ana", "x", "y"), principal("robo", "x", "y"));
    assert!(may(&ownership, &ana, "pay", noon()).await);
    assert!(ownership.not_yours(&robo, &tool("pay"), noon()).await.is_err());
}

#[tokio::test]
async fn without_a_book_of_grants_nothing_is_lent_and_nobody_is_told_that_it_was() {
    let owners: Owners = [(stripe(), [party("principal:ana")].into())].into();
    let ownership = Ownership::without_grants(Arc::new(owners));
    let (ana, robo) = (principal("ana", "x", "y"), principal("robo", "x", "y"));
    assert!(may(&ownership, &ana, "pay", noon()).await);
    assert!(!may(&ownership, &robo, "pay", noon()).await);
    let book = &ownership.0.book;
    let refused = book.grant(grant("principal:robo", None, hours(1))).await.unwrap_err();
    assert!(refused.to_string().contains("the book of grants"), "{refused}");
    assert!(!book.revoke(&stripe(), &party("principal:robo"), None, "ana", "").await.unwrap());
}

#[test]
fn what_is_printed_names_owners_and_the_tool_and_neither_grants_nor_the_caller() {
    let ownership = owned(&["principal:ana"], vec![grant("principal:robo", None, hours(1))]);
    let printed = format!("{ownership:?}");
    assert!(printed.starts_with("Ownership") && printed.contains("ana"), "{printed}");
    assert!(!printed.contains("robo"), "{printed}");
    let clock = Arc::new(Noon(Mutex::new(noon())));
    let (principal, tool) = (principal("robo", "assistant", "acme"), tool("pay"));
    let printed = format!("{:?}", Custody { ownership, principal, tool, clock });
    assert!(printed.starts_with("Custody") && printed.contains("pay"), "{printed}");
    assert!(!printed.contains("robo") && !printed.contains("ana"), "{printed}");
}

#[test]
fn a_party_whose_name_is_not_plain_is_nobody() {
    for name in ["", " ", " billing", "billing ", "\tbilling", "bil\nling", "bil\u{7}ling", "\u{0}"]
    {
        for kind in ["principal", "role", "group", "tool"] {
            let text = format!("{kind}:{name}");
            assert!(text.parse::<Party>().is_err(), "{text:?}");
        }
    }
    for text in ["billing", ":billing", "team:billing", "Role:billing", "role billing"] {
        let told = text.parse::<Party>().unwrap_err().to_string();
        assert!(told.contains("as in `role:billing`"), "{told}");
    }
    assert_eq!(party("role:two words"), Party::Role("two words".to_owned()));
}

/// The book of grants keeps them as JSON.
#[test]
fn a_grant_reads_as_it_was_kept() {
    let kept = grant("role:billing", Some("pay"), hours(1));
    let text = serde_json::to_string(&kept).unwrap();
    assert!(text.contains(r#""to":"role:billing""#), "{text}");
    assert_eq!(serde_json::from_str::<CredentialGrant>(&text).unwrap(), kept);
    let nobody = text.replace("role:billing", "role:");
    assert!(serde_json::from_str::<CredentialGrant>(&nobody).is_err());
}

proptest! {
    #[test]
    fn a_party_reads_as_it_is_written(kind in 0_usize..4, name in "[A-Za-z0-9_.@/-]{1,40}") {
        let kind = ["principal", "role", "group", "tool"][kind];
        let text = format!("{kind}:{name}");
        if let Ok(read) = text.parse::<Party>() {
            prop_assert_eq!(read.to_string(), text);
        } else {
            prop_assert_eq!(kind, "tool");
        }
    }

    #[test]
    fn what_names_nobody_is_refused(text in "[a-z]{0,9}:?[ \u{0}-\u{1f}]{0,3}") {
        prop_assert!(text.parse::<Party>().is_err());
    }
}
