//! Whose the credential is, asked at the moment of use.
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use toolward_gate::{
    CredentialGrant, CredentialName, GrantBook, Ownership, Party, ToolName, Unavailable,
};

use super::{
    is,
    server::{Server, json},
    support::{Setup, outbound},
};

/// A book in memory; one that is closed cannot be read.
#[derive(Default)]
struct Book {
    grants: Mutex<Vec<CredentialGrant>>,
    is_closed: Mutex<bool>,
}

#[async_trait]
impl GrantBook for Book {
    async fn grants(
        &self,
        _: Option<&CredentialName>,
    ) -> Result<Vec<CredentialGrant>, Unavailable> {
        if *self.is_closed.lock().unwrap() {
            return Err(Unavailable::new("the book", "closed"));
        }
        Ok(self.grants.lock().unwrap().clone())
    }
    async fn grant(&self, grant: CredentialGrant) -> Result<(), Unavailable> {
        self.grants.lock().unwrap().push(grant);
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
        self.grants.lock().unwrap().clear();
        Ok(true)
    }
}

fn github() -> CredentialName {
    "github".parse().unwrap()
}

/// A call that was admitted while everybody's grant was there.
async fn setup(server: &Server) -> (Setup, Arc<Book>) {
    let book = Arc::new(Book::default());
    let principal = super::support::call().principal.id().to_owned();
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let grant = CredentialGrant {
        credential: github(),
        to: Party::Principal(principal),
        tool: None,
        by: "ana".to_owned(),
        reason: String::new(),
        since: now,
        ends_at: Timestamp::MAX,
    };
    book.grant(grant).await.unwrap();
    let owners = [(github(), [Party::Principal("ana".to_owned())].into())].into();
    let mut setup = Setup::to(server);
    setup.ownership = Ownership::new(Arc::new(owners), book.clone());
    (setup, book)
}

#[tokio::test]
async fn a_grant_that_is_taken_back_while_the_call_runs_ends_the_use() {
    let server = Server::answering(json("{}")).await;
    let (setup, book) = setup(&server).await;
    let desk = setup.open().await;
    desk.send(outbound()).await.unwrap();
    book.revoke(&github(), &Party::Role("x".to_owned()), None, "", "").await.unwrap();
    is(&desk.outcome(outbound()).await, ("not-yours", "not-sent not-yours"), "taken back");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_book_that_cannot_be_read_lets_no_credential_out() {
    let server = Server::answering(json("{}")).await;
    let (setup, book) = setup(&server).await;
    let desk = setup.open().await;
    *book.is_closed.lock().unwrap() = true;
    is(
        &desk.outcome(outbound()).await,
        ("credential-unavailable", "not-sent credential-unavailable"),
        "closed",
    );
    assert!(server.requests().is_empty());
    *book.is_closed.lock().unwrap() = false;
    desk.send(outbound()).await.unwrap();
}
