//! When the trail ends.
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::*;

/// A log that counts how often it was told to end.
#[derive(Default)]
struct Ends(AtomicUsize);

#[async_trait]
impl AuditLog for Ends {
    async fn append(&self, _: &Record) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn close(&self, _: Closed) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn stop(&self) -> Result<(), Unavailable> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_trail_ends_after_what_is_owed_and_does_not_wait_for_ever() {
    let log = Arc::new(Ends::default());
    let audit = Audit::new(log.clone());
    let begun = Instant::now();
    audit.stop().await.unwrap();
    assert!(begun.elapsed().is_zero(), "nothing is owed");
    let (one, two) = (audit.owe(), audit.clone().owe());
    let pay = async {
        drop(one);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(log.0.load(Ordering::SeqCst), 1, "it waits for both");
        drop(two);
    };
    let (stopped, ()) = tokio::join!(audit.stop(), pay);
    stopped.unwrap();
    assert_eq!((begun.elapsed().as_secs(), log.0.load(Ordering::SeqCst)), (3, 2));
    let never = audit.owe();
    audit.stop().await.unwrap();
    assert_eq!((begun.elapsed().as_secs(), log.0.load(Ordering::SeqCst)), (3 + 15, 3));
    drop(never);
}
