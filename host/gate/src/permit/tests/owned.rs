//! Whose credential a call uses is asked again when it is to run: a person may have thought for hours.
use super::*;
use crate::{CredentialGrant, CredentialName, GrantBook, Owners, Party, ToolName};

const BANK: &str = r#"
[capability."bank:transfers:create"]
description = "Money moves, with a token."
interface = "http"
destination = "https://bank.example"
methods = ["POST"]
paths = ["/transfers"]
credential = "bank"
inject = { header = "authorization", as = "bearer" }
risk = "low"
response = { content_types = ["application/json"], max_bytes = 1_024 }
"#;

const TRANSFERS: &str = r#"
permit(principal, action == Action::"call", resource);
@approval("one-of:payer") permit(principal, action == Action::"bank:transfers:create", resource);
"#;

#[derive(Default)]
struct Book(Mutex<Option<Vec<CredentialGrant>>>);

#[async_trait]
impl GrantBook for Book {
    async fn grants(
        &self,
        _: Option<&CredentialName>,
    ) -> Result<Vec<CredentialGrant>, Unavailable> {
        let grants = self.0.lock().unwrap().clone();
        grants.ok_or_else(|| Unavailable::new("the book of grants", "closed"))
    }
    async fn grant(&self, grant: CredentialGrant) -> Result<(), Unavailable> {
        self.0.lock().unwrap().get_or_insert_default().push(grant);
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
        Ok(self.0.lock().unwrap().replace(Vec::new()).is_some())
    }
}

fn token() -> CredentialName {
    "bank".parse().unwrap()
}

fn transfer() -> InstalledTool {
    let [mut tool, _] = tools();
    let capability = "bank:transfers:create".parse().unwrap();
    tool.wants = [Want { capability, required: true }].into();
    tool
}

/// A house whose token is somebody's, and is granted to `agent-7` for an hour.
async fn house(owner: &str) -> (House, Arc<Book>) {
    let mut house = House::new().await;
    let file = SourceFile::new("capabilities.toml", BANK);
    let capabilities = Arc::new(Capabilities::parse(&file, &["http"]).unwrap());
    let policies = [SourceFile::new("bank.cedar", TRANSFERS)];
    let policy = CedarPolicy::load(&policies, capabilities, &[transfer()], "development").unwrap();
    house.gate.policy = Arc::new(policy);
    let book = Arc::new(Book::default());
    let grant = CredentialGrant {
        credential: token(),
        to: "principal:agent-7".parse().unwrap(),
        tool: None,
        by: "ana".to_owned(),
        reason: "month's end".to_owned(),
        since: noon(),
        ends_at: noon().checked_add(Duration::from_secs(3_600)).unwrap(),
    };
    book.grant(grant).await.unwrap();
    let owners: Owners = [(token(), [owner.parse().unwrap()].into())].into();
    house.gate.ownership = Ownership::new(Arc::new(owners), book.clone());
    (house, book)
}

/// A transfer that a person said yes to, and that is about to run.
async fn settled(house: &House) -> Settled {
    let call = || {
        let mut call = charge(5);
        call.tool.wants = transfer().wants;
        call
    };
    let approval = house.held(call()).await;
    house.answer(approval, "rita", "payer", Verdict::Approve).await;
    house.gate.settle(call()).await.unwrap()
}

#[tokio::test]
async fn a_call_runs_while_it_may_use_its_credential() {
    let (house, _book) = house("principal:ana").await;
    let settled = settled(&house).await;
    house.clock.forward(Duration::from_secs(3_599));
    let permit = house.gate.admit(settled).await.unwrap();
    permit.custody().check(&token()).await.unwrap();
    house.clock.forward(Duration::from_secs(1));
    assert!(permit.custody().check(&token()).await.is_err(), "and no longer");
}

#[tokio::test]
async fn a_grant_that_ends_before_the_call_runs_refuses_it_and_spends_nothing() {
    let (house, _book) = house("principal:ana").await;
    let settled = settled(&house).await;
    house.clock.forward(Duration::from_secs(3_600));
    let stop = house.gate.admit(settled).await.unwrap_err();
    assert_eq!(
        stop.to_string(),
        "`charge` needs the credential `bank` for the capability `bank:transfers:create`, and it is neither the caller's nor granted to it; one of its owners can grant it"
    );
    assert!(house.office.admitted.lock().unwrap().is_empty());
    assert_eq!(house.office.requests()[0].state, ApprovalState::Approved);
}

#[tokio::test]
async fn a_grant_that_is_revoked_before_the_call_runs_refuses_it() {
    let (house, book) = house("principal:ana").await;
    let settled = settled(&house).await;
    let to = "principal:agent-7".parse().unwrap();
    assert!(book.revoke(&token(), &to, None, "ana", "not hers").await.unwrap());
    assert_eq!(code(house.gate.admit(settled).await), "not-yours");
}

#[tokio::test]
async fn an_owner_needs_neither_a_grant_nor_the_book_and_others_need_both() {
    for (owner, expected) in [("principal:agent-7", "ok"), ("principal:ana", "unavailable")] {
        let (house, book) = house(owner).await;
        let settled = settled(&house).await;
        *book.0.lock().unwrap() = None;
        assert_eq!(code(house.gate.admit(settled).await), expected, "{owner}");
    }
}
