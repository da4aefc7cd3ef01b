//! Policies that are exchanged while calls are on their way.
use super::*;
use crate::Exchange;

/// The same rules under another version: a comment counts.
fn other(more: &str) -> CedarPolicy {
    let file = SourceFile::new("capabilities.toml", CAPABILITIES);
    let capabilities = Capabilities::parse(&file, &["log"]).unwrap();
    let policies = [SourceFile::new("house.cedar", format!("{POLICIES}\n{more}"))];
    CedarPolicy::load(&policies, Arc::new(capabilities), &tools(), "development").unwrap()
}

async fn house() -> (House, Arc<Exchange>) {
    let mut house = House::new().await;
    let exchange = Arc::new(Exchange::new(policy()));
    house.gate.policy = exchange.clone();
    (house, exchange)
}

/// G-04.
#[tokio::test]
async fn a_yes_under_other_policies_does_not_fit() {
    for exchanged in [false, true] {
        let (house, exchange) = house().await;
        let first = house.held(charge(100)).await;
        house.answer(first, "ana", "payer", Verdict::Approve).await;
        if exchanged {
            let before = exchange.put(other("// otherwise"));
            assert_eq!(before, policy().version());
            assert_ne!(house.held(charge(100)).await, first, "it is asked anew");
        } else {
            drop(house.pass(charge(100)).await.unwrap());
        }
    }
}

/// Answers every question at once, and has the policies exchanged meanwhile.
struct Hasty {
    office: Arc<Office>,
    exchange: Arc<Exchange>,
    next: Mutex<Option<CedarPolicy>>,
}

#[async_trait]
impl ApprovalBook for Hasty {
    async fn file(&self, filing: &Filing) -> Result<ApprovalId, FileError> {
        self.office.file(filing).await
    }
    async fn wait(&self, id: ApprovalId, patience: Duration) -> Result<Request, Unavailable> {
        let next = self.next.lock().unwrap().take();
        if let Some(next) = next {
            let (by, roles) = ("ana".to_owned(), ["payer".to_owned()].into());
            let answer = Answer {
                by,
                acts_for: vec![],
                roles,
                verdict: Verdict::Approve,
                roles_from: RolesFrom::Token,
                limits: AnswerLimits::default(),
                comment: String::new(),
                at: noon(),
            };
            self.office.decide(id, answer).await.unwrap();
            self.exchange.put(next);
        }
        self.office.wait(id, patience).await
    }
    async fn list(&self, state: Option<ApprovalState>) -> Result<Vec<Request>, Unavailable> {
        self.office.list(state).await
    }
    async fn show(&self, id: ApprovalId) -> Result<Option<Request>, Unavailable> {
        self.office.show(id).await
    }
    async fn decide(&self, id: ApprovalId, answer: Answer) -> Result<Request, DecideError> {
        self.office.decide(id, answer).await
    }
}

/// G-04, G-22: while a person is asked.
#[tokio::test]
async fn a_yes_counts_only_where_the_policies_are_those_it_was_asked_under() {
    for (next, passes) in [(policy(), true), (other("// otherwise"), false)] {
        let (mut house, exchange) = house().await;
        let (office, next) = (house.office.clone(), Mutex::new(Some(next)));
        house.gate.approvals = Arc::new(Hasty { office, exchange, next });
        let settled = house.gate.settle(charge(100)).await;
        assert_eq!(settled.is_ok(), passes, "{settled:?}");
        if !passes {
            assert!(matches!(settled, Err(Stop::Held { .. })), "{settled:?}");
        }
    }
}

#[tokio::test]
async fn a_call_keeps_what_it_was_settled_on_and_the_next_one_does_not() {
    let (house, exchange) = house().await;
    let settled = house.gate.settle(note()).await.unwrap();
    exchange.put(other("forbid(principal, action, resource);"));
    let permit = house.gate.admit(settled).await.unwrap();
    assert_eq!(permit.terms().basis.policy_version, policy().version());
    assert!(house.gate.settle(note()).await.is_err());
    exchange.put(policy());
    drop(house.pass(note()).await.unwrap());
}

#[tokio::test]
async fn every_way_a_call_ends_names_the_version_of_its_policies() {
    let (house, exchange) = house().await;
    let version = policy().version().to_string();
    let noted = |call: &Notes| serde_json::to_string(&call.read()).unwrap();
    let (allowed, asked, refused) = (note(), charge(100), charge(100));
    let notes = [&allowed, &asked, &refused].map(|call| call.notes.clone());
    drop(house.gate.settle(allowed).await.unwrap());
    assert!(house.gate.settle(asked).await.is_err());
    exchange.put(other("@id(\"stop\") forbid(principal, action, resource);"));
    assert!(house.gate.settle(refused).await.is_err());
    let stopped = exchange.now().version().to_string();
    let [allowed, asked, refused] = notes.map(|notes| noted(&notes));
    assert!(allowed.contains(&version) && asked.contains(&version), "{allowed} {asked}");
    assert!(refused.contains(&stopped) && refused.contains("\"stop\""), "{refused}");
}
