//! Calls that a tool makes: they live no longer than their caller, and can do no more.
use tokio::time::Instant;

use super::*;
use crate::Parent;

/// A note on behalf of this call.
fn note_for(parent: Parent) -> Call {
    Call { parent: Some(parent), ..note() }
}

/// A charge that was approved, and is running.
async fn running(house: &House) -> Permit {
    let approval = house.held(charge(5)).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    house.pass(charge(5)).await.unwrap()
}

#[tokio::test]
async fn a_call_for_another_one_ends_with_it() {
    let house = House::new().await;
    let above = running(&house).await;
    let soon = Instant::now() + Duration::from_secs(2);
    let below = house.pass(note_for(Parent::of(&above, Some(soon)))).await.unwrap();
    assert!(below.life().remaining() <= Duration::from_secs(2));
    let later = Instant::now() + Duration::from_secs(3600);
    let below = house.pass(note_for(Parent::of(&above, Some(later)))).await.unwrap();
    // Read first, as the time goes on.
    let left = above.life().remaining();
    assert!(below.life().remaining() <= left);
    let over = house.pass(note_for(Parent::of(&above, Some(Instant::now())))).await;
    assert_eq!(code(over), "time-over");
}

#[tokio::test]
async fn every_switch_of_the_caller_ends_what_it_called_and_not_the_other_way_round() {
    let house = House::new().await;
    let above = running(&house).await;
    let (below, alone) =
        (house.pass(note_for(Parent::of(&above, None))).await.unwrap(), house.pass(note()).await);
    let target = SwitchTarget::Tool("charge".to_owned());
    house.throw(target.clone()).await;
    assert_eq!(below.life().end().await, Cause::SwitchThrown(target.clone()));
    assert_eq!(above.life().end().await, Cause::SwitchThrown(target));
    alone.unwrap().life().check().unwrap();
    assert_eq!(code(house.pass(note_for(Parent::of(&above, None))).await), "halted");
    let house = House::new().await;
    let above = running(&house).await;
    let below = house.pass(note_for(Parent::of(&above, None))).await.unwrap();
    let target = SwitchTarget::Tool("note".to_owned());
    house.throw(target.clone()).await;
    assert_eq!(below.life().end().await, Cause::SwitchThrown(target));
    above.life().check().unwrap();
}

#[tokio::test]
async fn the_tools_that_wait_are_known_up_to_the_door() {
    let house = House::new().await;
    let above = running(&house).await;
    let parent = Parent::of(&above, None);
    let (charge, note): (crate::ToolName, crate::ToolName) =
        ("charge".parse().unwrap(), "note".parse().unwrap());
    assert_eq!((parent.depth(), parent.call()), (1, above.call().id));
    assert!(parent.is_running(&charge) && !parent.is_running(&note));
    let below = house.pass(note_for(parent)).await.unwrap();
    let parent = Parent::of(&below, None);
    assert_eq!((parent.depth(), parent.call()), (2, below.call().id));
    assert!(parent.is_running(&charge) && parent.is_running(&note));
}

#[tokio::test]
async fn every_tool_that_waits_is_charged_with_its_own_budgets() {
    let house = House::new().await;
    let mut above = running(&house).await;
    let budgets: Vec<crate::BudgetLimit> = vec!["usd:1/day".parse().unwrap()];
    above.terms.budgets.clone_from(&budgets);
    let charged = |permit: &Permit| -> Vec<(String, Vec<crate::BudgetLimit>)> {
        let parent = Parent::of(permit, None);
        parent.behalf().iter().map(|one| (one.tool.to_string(), one.budgets.clone())).collect()
    };
    let both = [("charge".to_owned(), budgets), ("note".to_owned(), vec![])];
    assert_eq!(charged(&above), both[..1]);
    let below = house.pass(note_for(Parent::of(&above, None))).await.unwrap();
    assert_eq!(charged(&below), both);
}

/// Capabilities that a token names, a caller holds, or a policy could speak of.
const NAMES: [&str; 4] = ["a:b:c", "a:b:d", "notes:lines:write", "money:charges:create"];

#[test]
fn a_principal_within_capabilities_is_the_same_one_with_no_more_than_both_allow() {
    let set = |bits: usize| -> BTreeSet<crate::CapabilityName> {
        let chosen = NAMES.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
        chosen.map(|(_, name)| name.parse().unwrap()).collect()
    };
    for bits in 0..256 {
        let (token, held) = (set(bits & 15), set(bits >> 4));
        for scope in [None, Some(token)] {
            let before = Principal::authenticated(Identity { scope, ..identity() });
            let after = before.within(held.clone());
            assert_eq!((after.id(), after.roles()), (before.id(), before.roles()));
            assert_eq!(after.acts_for(), before.acts_for());
            for name in NAMES.map(|name| name.parse().unwrap()) {
                let both = before.in_scope(&name) && held.contains(&name);
                assert_eq!(after.in_scope(&name), both, "{name} {before:?} {held:?}");
            }
        }
    }
}
