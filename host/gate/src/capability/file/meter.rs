//! How the meter of a capability over `http` is written.
use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::Reader;
use crate::{Cost, Meter, Quantity, SourceError, Usage};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenMeter {
    max: Option<Spanned<String>>,
    max_tokens: Option<Spanned<u64>>,
    quantities: BTreeMap<String, Spanned<WrittenQuantity>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenQuantity {
    at: Spanned<String>,
    price: Option<Spanned<String>>,
    per: Option<u64>,
    #[serde(default)]
    tokens: bool,
}

impl Reader<'_> {
    pub(super) fn meter(&self, written: &Spanned<WrittenMeter>) -> Result<Meter, SourceError> {
        let meter = written.get_ref();
        let quantities = meter.quantities.iter();
        let quantities: BTreeMap<_, _> = quantities
            .map(|(name, quantity)| Ok((name.clone(), self.quantity(quantity)?)))
            .collect::<Result<_, SourceError>>()?;
        let wrong = |message: &str, help: &str| {
            Err(self.file.error(written.span(), message).with_help(help))
        };
        if quantities.is_empty() {
            return wrong(
                "the meter reads nothing",
                "name a quantity, as in `quantities.input = { at = \"/usage/prompt_tokens\", tokens = true }`",
            );
        }
        if meter.quantities.values().any(|one| one.get_ref().price.is_some()) != meter.max.is_some()
        {
            return wrong(
                "prices and `max` belong together: `max` is set aside before a request leaves",
                "write what one request costs at most, as in `max = \"usd:0.05\"`, where a quantity has a price, and only there",
            );
        }
        if quantities.values().any(Quantity::counts_tokens) != meter.max_tokens.is_some() {
            return wrong(
                "tokens and `max_tokens` belong together: they are set aside before a request leaves",
                "write how many tokens one request uses at most, as in `max_tokens = 20_000`, where a quantity has `tokens = true`, and only there",
            );
        }
        let cost = meter.max.as_ref().map_or(Ok(Cost::default()), |max| self.cost(max))?;
        let tokens = meter.max_tokens.as_ref().map_or(0, |tokens| *tokens.get_ref());
        Ok(Meter::new(Usage { cost, tokens, ..Usage::default() }, quantities))
    }

    fn quantity(&self, written: &Spanned<WrittenQuantity>) -> Result<Quantity, SourceError> {
        let WrittenQuantity { at, price, per, tokens } = written.get_ref();
        let wrong = |message: &str, help: &str| {
            Err(self.file.error(written.span(), message).with_help(help))
        };
        if price.is_none() && !tokens {
            return wrong(
                "the quantity has no price, and does not count as tokens",
                "write `price = \"usd:3\", per = 1_000_000`, or `tokens = true`, or both",
            );
        }
        if *per == Some(0) || (per.is_some() && price.is_none()) {
            return wrong(
                "`per` is how many of it the `price` buys",
                "write a number from 1, beside a `price`",
            );
        }
        let at = self.pointer(at)?;
        if !at.is_single() {
            return wrong("a quantity stands in one place", "take `*` out of `at`");
        }
        let price = price.as_ref().map_or(Ok(Cost::default()), |price| self.cost(price))?;
        Ok(Quantity { at, price, per: per.unwrap_or(1), tokens: *tokens })
    }
}
