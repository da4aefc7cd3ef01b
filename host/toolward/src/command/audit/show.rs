//! `toolward audit show`: one call, and all that was done for it.
use std::collections::BTreeMap;

use clap::Args;
use serde_json::Value;
use toolward_gate::CallId;
use uuid::Uuid;

use super::{Context, Failure, brief, record, visible, whole};
use crate::wiring;

#[derive(Args)]
pub(in super::super) struct Show {
    /// The call's id.
    call: Uuid,
}

impl Show {
    /// The tree of a call: each line stands under the call that it was made for.
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let call = CallId::from_uuid(self.call);
        let links = wiring::state(&context.config()?).await?.tree(call).await?;
        if links.is_empty() {
            let missing =
                format!("there is no call `{call}`; `toolward audit tail` shows the newest");
            return Err(Failure::NotFound(missing));
        }
        let mut depths: BTreeMap<String, usize> = BTreeMap::new();
        for link in &links {
            let record = record(link);
            let named = |name: &str| record.get(name).and_then(Value::as_str);
            let above = named("parent").and_then(|parent| depths.get(parent).copied());
            let call = named("call").unwrap_or_default().to_owned();
            let depth = *depths
                .entry(call)
                .or_insert_with(|| above.map_or(0, |above| above.saturating_add(1)));
            context.terminal.show(&whole(link), || {
                format!("{}{}", "    ".repeat(depth), visible(&brief(link)))
            })?;
        }
        Ok(())
    }
}
