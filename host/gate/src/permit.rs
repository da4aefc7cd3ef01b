//! The way from a call to a permit. Nothing outside this file can make a [`Permit`].
use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tracing::{debug_span, field::Empty};

use crate::{
    Account, Approval, ApprovalBook, BudgetLedger, Call, Clock, Cost, Custody, Decision, Digest,
    Exceptions, Facts, FileError, Filing, Life, Note, Ownership, Policy, Question, Refusal,
    Reservation, ReserveError, STEP, Stop, Switchboard, Terms, Tripwire, Unavailable,
    account::{Limits, Opening},
    fields, step,
};

/// The gate and what it asks: composition, made in `wiring.rs`.
pub struct Gate {
    pub policy: Arc<dyn Policy>,
    pub approvals: Arc<dyn ApprovalBook>,
    pub budgets: Arc<dyn BudgetLedger>,
    pub switches: Arc<Switchboard>,
    pub ownership: Ownership,
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// A call the policy agreed to, on terms.
#[must_use]
#[derive(Debug)]
pub struct Settled {
    call: Call,
    terms: Terms,
    approval: Option<Approval>,
}

/// Leave to run one call, once, now. Neither cloned nor stored.
#[must_use]
#[derive(Debug)]
pub struct Permit {
    call: Call,
    terms: Terms,
    life: Life,
    account: Account,
    custody: Custody,
    tripwire: Tripwire,
}

impl Gate {
    /// Asks the policy, and a person when the policy says so; then asks the policy again.
    pub async fn settle(&self, call: Call) -> Result<Settled, Stop> {
        let span = debug_span!(target: STEP, "settle", outcome = Empty);
        step(span, self.settle_in_rounds(call), Stop::code).await
    }

    async fn settle_in_rounds(&self, call: Call) -> Result<Settled, Stop> {
        check_door(&call)?;
        let now = self.clock.now();
        let exceptions = Exceptions::default();
        let not_yours = self.ownership.not_yours(&call.principal, &call.tool.name, now).await?;
        let mut facts = Facts { now, approval: None, remaining: None, exceptions, not_yours };
        let mut looked_under = None;
        let mut asked_under = None;
        loop {
            // One policy for one round: it may be exchanged while a person is asked.
            let policy = self.policy.current().unwrap_or_else(|| self.policy.clone());
            let version = policy.version();
            if asked_under.is_some_and(|asked| asked != version) {
                // A yes that was given under other policies does not fit: it stays unspent.
                facts.approval = None;
            }
            if looked_under.is_some_and(|looked| looked != version) {
                facts.exceptions = Exceptions::default();
            }
            facts.remaining = self.remaining(policy.as_ref(), &call, facts.now).await?;
            let decision = decide(policy.as_ref(), &call, &facts);
            if looked_under != Some(version) && decision.lacks_a_capability(&call) {
                looked_under = Some(version);
                facts.exceptions = self.exceptions(&call, version, facts.now).await?;
                if !facts.exceptions.is_empty() {
                    continue;
                }
            }
            match decision {
                Decision::Allow(terms) => {
                    let terms = facts.narrow(terms, &call);
                    note_allowed(&call, &terms);
                    return Ok(Settled { call, terms, approval: facts.approval });
                }
                Decision::Refuse(refusal) => {
                    note_refused(policy.as_ref(), &call, &facts);
                    return Err(refusal.into());
                }
                // A question that an answer did not settle would be asked for ever.
                Decision::Ask(_) if facts.approval.is_some() => {
                    note_refused(policy.as_ref(), &call, &facts);
                    return Err(Refusal::Forbidden.into());
                }
                Decision::Ask(question) => {
                    let span = debug_span!(target: STEP, "ask", outcome = Empty);
                    let answer = step(span, self.ask(&call, &question), Stop::code).await?;
                    facts.approval = Some(answer);
                    asked_under = Some(version);
                }
            }
        }
    }

    /// What people allowed this caller for a time, with this very tool and under these policies.
    async fn exceptions(
        &self,
        call: &Call,
        version: Digest,
        now: Timestamp,
    ) -> Result<Exceptions, Unavailable> {
        let approved = self.approvals.accesses(call.principal.id()).await?;
        let tool = (&call.tool.name, call.tool.digest);
        Ok(Exceptions::of(&approved, &call.principal, tool, version, now))
    }

    /// What is left of the tightest budget, where the policy wants to know.
    async fn remaining(
        &self,
        policy: &dyn Policy,
        call: &Call,
        now: Timestamp,
    ) -> Result<Option<Cost>, Unavailable> {
        let budgets = policy.wants_remaining(call);
        if budgets.is_empty() {
            return Ok(None);
        }
        self.budgets.remaining(call, &budgets, now).await
    }

    /// The last checks, made at the moment of running. What is spent here is spent on this run.
    pub async fn admit(&self, settled: Settled) -> Result<Permit, Stop> {
        let span = debug_span!(target: STEP, "admit", outcome = Empty);
        step(span, self.admit_now(settled), Stop::code).await
    }

    async fn admit_now(&self, Settled { call, terms, approval }: Settled) -> Result<Permit, Stop> {
        let life = self.switches.watch(&call, &terms, self.clock.as_ref());
        life.check().map_err(Refusal::Halted)?;
        self.ownership.check(&call, &terms, self.clock.now()).await?;
        let account = self.reserve(&call, &terms, approval).await?;
        let custody = self.ownership.custody(&call, self.clock.clone());
        let tripwire = self.switches.tripwire(&call, self.clock.clone());
        Ok(Permit { call, terms, life, account, custody, tripwire })
    }

    async fn ask(&self, call: &Call, question: &Question) -> Result<Approval, Stop> {
        let life = self.switches.attend(call, question, self.clock.as_ref());
        life.check().map_err(Refusal::Halted)?;
        let filing = Filing::new(call, question, self.clock.now())?;
        let approval = self.approvals.file(&filing).await.map_err(|error| match error {
            FileError::Refused(refusal) => Stop::from(refusal),
            FileError::Unavailable(unavailable) => unavailable.into(),
        })?;
        call.notes.add(Note::Asked { approval, policy_version: question.policy_version });
        let answer = self.approvals.wait(approval, question.patience);
        // A tool that calls this one waits as long as its own call lasts, and no longer.
        let request = life.bound(answer).await.map_err(Refusal::Halted)??;
        match Approval::check(&request, &call.principal)? {
            Some(yes) => {
                let (by, limits) = (yes.by().clone(), yes.limits().clone());
                call.notes.add(Note::Approved { approval, by, limits });
                Ok(yes)
            }
            None => Err(Stop::Held { approval, summary: filing.summary() }),
        }
    }

    async fn reserve(
        &self,
        call: &Call,
        terms: &Terms,
        approval: Option<Approval>,
    ) -> Result<Account, Stop> {
        // No `..`: an obligation that nobody enforces does not compile. The vault and the sandbox take theirs
        // from the permit; what is recorded was noted when the call was settled. The cost is in the opening.
        let Terms { time, cost: _, rates, budgets, egress: _, sandbox: _, recording: _, basis: _ } =
            terms;
        let opening = opening(terms, approval.as_ref());
        opening.limits.check(opening.total().total())?;
        let now = self.clock.now();
        let expires_at = now
            .checked_add(time.saturating_add(GRACE))
            .map_err(|error| Unavailable::new("the clock", error))?;
        // What the call costs is used from here on: a host that is gone may have run it.
        let (usage, spent) = (opening.total(), opening.used.clone());
        let reservation =
            Reservation { call, usage, spent, rates, budgets, approval, now, expires_at };
        self.budgets.reserve(reservation).await.map_err(|error| match error {
            ReserveError::Refused(refusal) => Stop::from(refusal),
            ReserveError::Unavailable(unavailable) => unavailable.into(),
        })?;
        let (ledger, clock) = (self.budgets.clone(), self.clock.clone());
        Ok(Account::open(call, opening, budgets.clone(), ledger, clock))
    }
}

fn decide(policy: &dyn Policy, call: &Call, facts: &Facts) -> Decision {
    let span = debug_span!(target: STEP, "decide", outcome = Empty).entered();
    let decision = policy.decide(call, facts);
    span.record(fields::OUTCOME, decision.code());
    decision
}

/// A token for one door opens no other. A tool that is called by another one is behind the door already.
fn check_door(call: &Call) -> Result<(), Refusal> {
    match call.principal.door() {
        Some(door) if call.parent.is_none() && door != call.door => {
            Err(Refusal::OtherDoor { door: call.door })
        }
        _ => Ok(()),
    }
}

/// What the audit entry is to hold of a call that the policies allow.
fn note_allowed(call: &Call, terms: &Terms) {
    call.notes.add(Note::Allowed(terms.basis.clone()));
    let recording = terms.recording;
    if let Some(arguments) = recording.of(&call.arguments) {
        call.notes.add(Note::Arguments { recording, arguments });
    }
}

fn note_refused(policy: &dyn Policy, call: &Call, facts: &Facts) {
    let policies = policy.refused_by(call, facts);
    call.notes.add(Note::Refused { policies, policy_version: policy.version() });
}

/// What the call costs, and one request under each metered capability: a call whose first request would not
/// fit into its budgets does not start.
fn opening(terms: &Terms, approval: Option<&Approval>) -> Opening {
    let metered = terms.egress.http.iter();
    let ahead =
        metered.filter_map(|(name, scope)| Some((name.clone(), scope.meter.as_ref()?.most)));
    let limits = approval.map(|yes| Limits::of(yes.limits())).unwrap_or_default();
    Opening { used: terms.cost.clone(), ahead: ahead.collect(), limits }
}

impl Facts {
    /// The terms within what people allowed, which ends by itself.
    fn narrow(&self, terms: Terms, call: &Call) -> Terms {
        let mut terms = match &self.approval {
            Some(approval) => approval.limits().narrow(terms),
            None => terms,
        };
        for (capability, exception) in self.exceptions.used(&terms) {
            terms.time = terms.time.min(exception.left(self.now));
            exception.note(call, capability);
        }
        terms
    }
}

impl Decision {
    /// Whether the tool wants something that it would not get.
    fn lacks_a_capability(&self, call: &Call) -> bool {
        match self {
            Self::Refuse(refusal) => matches!(refusal, Refusal::NotGranted { .. }),
            Self::Allow(terms) => {
                let granted = &terms.sandbox.grants.capabilities;
                call.tool.wants.iter().any(|want| !granted.contains_key(&want.capability))
            }
            Self::Ask(_) => false,
        }
    }
}

impl Permit {
    pub fn call(&self) -> &Call {
        &self.call
    }
    pub fn terms(&self) -> &Terms {
        &self.terms
    }
    pub fn life(&self) -> &Life {
        &self.life
    }
    pub fn account(&self) -> &Account {
        &self.account
    }
    pub fn custody(&self) -> &Custody {
        &self.custody
    }
    pub fn tripwire(&self) -> &Tripwire {
        &self.tripwire
    }
}

/// A reservation outlives the call by this much before it counts as left behind by a crashed host.
const GRACE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
