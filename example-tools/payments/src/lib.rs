//! Charges (Stripe API, `POST /v1/payment_intents`). The key stays with the host, and a person says yes first.
use serde::{Deserialize, Serialize};
use toolward_sdk::{Capability, ToolError, ToolType, tool};

#[derive(Deserialize, ToolType)]
struct NewCharge {
    /// In the currency's smallest unit: 1000 is 10.00 EUR.
    amount: u32,
    /// Three lower case letters, as in `eur`.
    currency: String,
    /// What the charge is for. It is shown to the person who approves it.
    description: String,
    /// Calls with the same key make one charge. The server keeps keys for a day.
    idempotency_key: Option<String>,
}

#[derive(Deserialize, Serialize, ToolType)]
struct Charge {
    id: String,
    /// As in `requires_payment_method`.
    status: String,
    amount: u64,
    currency: String,
}

/// Create a charge. A person is asked before money moves.
#[tool(title = "Create a charge", destructive, open_world)]
fn create_charge(
    new: NewCharge,
    #[capability("payments:charges:create")] payments: Capability,
) -> Result<Charge, ToolError> {
    if new.currency.len() != 3 || !new.currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(ToolError::new(
            "currency",
            "the currency is three lower case letters, as in `eur`",
        ));
    }
    let amount = new.amount.to_string();
    let fields = [
        ("amount", amount.as_str()),
        ("currency", &new.currency),
        ("description", &new.description),
        ("automatic_payment_methods[enabled]", "true"),
    ];
    let request = payments.post("/v1/payment_intents").form(&fields);
    let request = match &new.idempotency_key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    };
    request.send()?.error_for_status()?.json()
}
