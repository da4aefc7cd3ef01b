//! Tools that do what tools are for.
use serde::{Deserialize, Serialize};
use toolward_sdk::{Capability, Limits, ToolError, ToolType, path, tool};

use crate::Text;

#[derive(Deserialize, ToolType)]
struct Item {
    id: String,
}

#[derive(Deserialize, Serialize, ToolType)]
struct Found {
    id: String,
    title: String,
}

/// Read one item of the shop.
#[tool(read_only)]
fn read_item(
    of: Item,
    #[capability("shop:items:read")] shop: Capability,
) -> Result<Found, ToolError> {
    toolward_sdk::log::info(format!("reading {}", of.id));
    shop.get(&path!("/items/{}", of.id)).send()?.error_for_status()?.json()
}

#[derive(Deserialize, Serialize, ToolType)]
struct Payment {
    /// In cents.
    amount: u64,
    to: String,
}

#[derive(Deserialize, Serialize, ToolType)]
struct Receipt {
    number: u64,
}

/// Pay somebody.
#[tool(destructive)]
fn pay(
    payment: Payment,
    #[capability("shop:payments:create")] shop: Capability,
) -> Result<Receipt, ToolError> {
    shop.post("/payments").json(&payment)?.send()?.error_for_status()?.json()
}

#[derive(Serialize, ToolType)]
struct Presence {
    extras: bool,
}

/// Says whether it was lent something that it can do without.
#[tool(read_only)]
fn look_for_extras(
    #[capability("shop:extras:read")] extras: Option<Capability>,
) -> Result<Presence, ToolError> {
    Ok(Presence { extras: extras.is_some() })
}

/// Needs something that the operator defined, and lends to nobody.
#[tool]
fn need_forbidden(#[capability("shop:vault:open")] vault: Capability) -> Result<Text, ToolError> {
    Ok(Text::new(vault.name()))
}

/// Needs something that nobody defined.
#[tool]
fn need_unknown(#[capability("moon:cheese:eat")] moon: Capability) -> Result<Text, ToolError> {
    Ok(Text::new(moon.name()))
}

#[derive(Deserialize, ToolType)]
struct Steps {
    steps: u64,
}

/// Tells its caller how far it is, step by step.
#[tool(capabilities("host:progress:report"))]
fn report(of: Steps) -> Result<Text, ToolError> {
    let heard = (1..=of.steps)
        .filter(|step| toolward_sdk::progress::report(*step, Some(of.steps), "step"))
        .count();
    Ok(Text::new(format!("{heard} heard")))
}

#[derive(Deserialize, ToolType)]
struct Recital {
    /// How many parts.
    parts: u64,
    /// Of each part, in bytes.
    length: usize,
}

/// Hands over numbered parts until nobody listens, and then answers.
#[tool(capabilities("host:progress:report"))]
fn recite(of: Recital) -> Result<Text, ToolError> {
    let part = |number: u64| {
        let digits = number.to_string();
        "0".repeat(of.length.saturating_sub(digits.len())) + &digits
    };
    let heard = (1..=of.parts).take_while(|number| toolward_sdk::progress::part(&part(*number)));
    Ok(Text::new(format!("{} heard", heard.count())))
}

/// Hands over a part between two steps.
#[tool(capabilities("host:progress:report"))]
fn recite_between() -> Result<Text, ToolError> {
    use toolward_sdk::progress;
    progress::report(1, Some(2), "one");
    progress::part("[1, ");
    progress::part("\u{1b}2]\n");
    progress::report(2, Some(2), "two");
    Ok(Text::new("[1, 2]"))
}

/// Uses a handle twice that is good for one use.
#[tool(read_only)]
fn use_twice(
    of: Item,
    #[capability("shop:items:read")] shop: Capability,
) -> Result<Text, ToolError> {
    let once = shop.narrow(Limits { uses: Some(1), ..Limits::default() })?;
    let path = path!("/items/{}", of.id);
    once.get(&path).send()?;
    Ok(Text::new(once.get(&path).send()?.text()?))
}
