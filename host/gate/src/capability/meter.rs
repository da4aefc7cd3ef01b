//! What does a request use up, by what its response says?
use std::collections::BTreeMap;

use serde_json::Value;

use super::pointer::Pointer;
use crate::{Charge, Cost, Usage};

/// How requests under a capability are metered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// The most that one request may use: set aside before it leaves, and charged where its response does not
    /// say what it used.
    pub most: Usage,
    quantities: BTreeMap<String, Quantity>,
}

/// One number in a response, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    pub(super) at: Pointer,
    /// For every `per` of it.
    pub(super) price: Cost,
    pub(super) per: u64,
    /// Whether it counts against budgets of tokens.
    pub(super) tokens: bool,
}

impl Meter {
    pub(super) fn new(most: Usage, quantities: BTreeMap<String, Quantity>) -> Self {
        Self { most, quantities }
    }

    /// What a response says that its request used. Where one quantity is missing, or is no whole number from 0,
    /// it says nothing.
    pub fn read(&self, document: &Value) -> Option<Charge> {
        let mut charge = Charge { usage: Usage::default(), quantities: BTreeMap::new() };
        for (name, quantity) in &self.quantities {
            let number = quantity.at.find(document)?.as_u64()?;
            charge.usage = charge.usage.with(quantity.usage(number));
            charge.quantities.insert(name.clone(), number);
        }
        Some(charge)
    }

    /// What is charged where the response does not say.
    pub fn unread(&self) -> Charge {
        Charge { usage: self.most, quantities: BTreeMap::new() }
    }
}

impl Quantity {
    pub(super) fn counts_tokens(&self) -> bool {
        self.tokens
    }

    /// A part of a micro-dollar counts as a whole one; what does not fit is over every budget.
    fn usage(&self, number: u64) -> Usage {
        let whole = u128::from(number).saturating_mul(u128::from(self.price.0));
        let cost = whole.div_ceil(u128::from(self.per.max(1)));
        let cost = Cost(u64::try_from(cost).unwrap_or(u64::MAX));
        Usage { cost, tokens: if self.tokens { number } else { 0 }, ..Usage::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn quantity(at: &str, price: u64, per: u64, tokens: bool) -> Quantity {
        Quantity { at: at.parse().unwrap(), price: Cost(price), per, tokens }
    }

    fn meter() -> Meter {
        let quantities = [
            ("in".to_owned(), quantity("/usage/in", 3_000_000, 1_000_000, true)),
            ("out".to_owned(), quantity("/usage/out", 15_000_000, 1_000_000, true)),
            ("images".to_owned(), quantity("/images", 40_000, 1, false)),
        ];
        Meter::new(
            Usage { cost: Cost(50_000), tokens: 9_000, ..Usage::default() },
            quantities.into(),
        )
    }

    #[test]
    fn each_quantity_is_priced_and_tokens_are_counted() {
        let document = json!({ "usage": { "in": 1_000, "out": 200 }, "images": 2, "more": "x" });
        let charge = meter().read(&document).unwrap();
        assert_eq!(
            charge.usage,
            Usage { cost: Cost(3_000 + 3_000 + 80_000), tokens: 1_200, ..Usage::default() }
        );
        let read = [("images".to_owned(), 2), ("in".to_owned(), 1_000), ("out".to_owned(), 200)];
        assert_eq!(charge.quantities, read.into());
    }

    #[test]
    fn a_part_of_a_micro_dollar_is_a_whole_one() {
        let cheap = quantity("/n", 150_000, 1_000_000, true);
        let costs = [(0, 0), (1, 1), (6, 1), (7, 2), (1_000_000, 150_000)];
        for (number, cost) in costs {
            assert_eq!(
                cheap.usage(number),
                Usage { cost: Cost(cost), tokens: number, ..Usage::default() }
            );
        }
    }

    /// H-04 and H-05: what is no whole number from 0 is not read, and nothing wraps.
    #[test]
    fn a_response_that_does_not_say_is_not_read() {
        let says = |number: Value| {
            meter().read(&json!({ "usage": { "in": 1, "out": number }, "images": 0 }))
        };
        assert!(says(json!(0)).is_some());
        for wrong in [json!(-1), json!(1.5), json!(1e300), json!("5"), json!(null), json!([1])] {
            assert_eq!(says(wrong.clone()), None, "{wrong}");
        }
        assert_eq!(meter().read(&json!({ "usage": { "in": 1, "out": 1 } })), None);
        assert_eq!(meter().read(&json!(null)), None);
        let most = quantity("/n", u64::MAX, 1, true).usage(u64::MAX);
        assert_eq!(most, Usage { cost: Cost(u64::MAX), tokens: u64::MAX, ..Usage::default() });
    }

    proptest! {
        #[test]
        fn more_of_a_quantity_never_costs_less(price in any::<u64>(), per in 1_u64.., one: u64, more: u64) {
            let quantity = quantity("/n", price, per, true);
            let (less, all) = (quantity.usage(one), quantity.usage(one.saturating_add(more)));
            prop_assert!(less.cost <= all.cost && less.tokens <= all.tokens);
        }
    }
}
