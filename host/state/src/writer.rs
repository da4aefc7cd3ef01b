//! How many callers write at once: those who come together share one transaction, and one wait for the disk.
//!
//! The first who writes begins a transaction. Whoever comes before it is committed writes into the same one,
//! behind a savepoint: what fails or is given up is undone alone. Nobody's write returns before the commit is
//! on the disk, and a commit that fails fails every write that is in it.
use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sqlx::{Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, watch};
use toolward_gate::{Link, STEP, Unavailable, step};
use tracing::{debug_span, field::Empty};

use crate::{faults, sqlite::Patience, unavailable};

/// The one way in. Clones write in the same groups.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Inner>);

struct Inner {
    /// One connection: writes wait for each other here, not inside SQLite.
    pool: SqlitePool,
    group: Arc<Mutex<Option<Group>>>,
    /// After the disk has failed to keep a commit, nobody knows what it kept.
    broken: AtomicBool,
}

/// Writes that are committed together.
struct Group {
    /// It is in a transaction.
    connection: PoolConnection<Sqlite>,
    /// The transaction has ended, and the connection can be used again.
    ended: bool,
    /// Writes that are whole.
    whole: usize,
    /// A write was given up half way.
    torn: bool,
    /// The last link of the chain, where it is known in this transaction.
    last: Option<Option<Link>>,
    done: watch::Sender<Option<Done>>,
}

type Done = Result<(), Unavailable>;

/// One write within a group: dropped, it is undone; [`Writing::commit`] makes it last.
pub(crate) struct Writing {
    group: OwnedMappedMutexGuard<Option<Group>, Group>,
    is_whole: bool,
}

impl Writer {
    pub(crate) fn on(pool: SqlitePool) -> Self {
        Self(Arc::new(Inner { pool, group: Arc::default(), broken: AtomicBool::new(false) }))
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.0.pool
    }

    /// A write that holds the database's write lock from its beginning.
    pub(crate) async fn write(&self) -> Result<Writing, Unavailable> {
        faults::at("write")?;
        let mut held = self.0.group.clone().lock_owned().await;
        if self.0.broken.load(Ordering::Acquire) {
            return Err(unavailable(BROKEN));
        }
        if let Some(group) = held.take_if(|group| group.torn && group.whole == 0) {
            group.give_up().await;
        }
        if let Some(group) = held.as_mut() {
            if let Err(error) = group.separate().await {
                // Who is in it learns that it was not committed.
                *held = None;
                return Err(error);
            }
        } else {
            *held = Some(self.begin().await?);
        }
        let group = OwnedMutexGuard::try_map(held, Option::as_mut);
        let group = group.map_err(|_| unavailable("a write was lost"))?;
        Ok(Writing { group, is_whole: false })
    }

    async fn begin(&self) -> Result<Group, Unavailable> {
        let connection = self.0.pool.acquire().await.map_err(unavailable)?;
        let done = watch::Sender::new(None);
        let mut group = Group { connection, ended: false, whole: 0, torn: false, last: None, done };
        let patience = Patience::begin();
        while let Err(error) =
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *group.connection).await
        {
            if !patience.lasts(&error) {
                return Err(unavailable(error));
            }
            Patience::pause().await;
        }
        // It waits for the lock behind those who wait already: they are all in this group.
        tokio::spawn(finish(self.0.clone()));
        Ok(group)
    }
}

/// Commits the group that is open, and tells all who are in it.
async fn finish(inner: Arc<Inner>) {
    let mut held = inner.group.lock().await;
    let Some(mut group) = held.take() else { return };
    if group.whole == 0 {
        return group.give_up().await;
    }
    let committed = async {
        if group.torn {
            run(&mut group.connection, UNDO).await?;
        }
        faults::at("commit")?;
        group.keep(&inner).await?;
        faults::at("committed")
    };
    let committed = committed.await;
    let done = group.done.clone();
    group.give_up().await;
    // Nobody begins another group before this one is on the disk.
    drop(held);
    done.send_replace(Some(committed));
}

impl Group {
    async fn keep(&mut self, inner: &Inner) -> Result<(), Unavailable> {
        if let Err(error) = faults::at("sync") {
            inner.broken.store(true, Ordering::Release);
            return Err(error);
        }
        let committed = sqlx::raw_sql("COMMIT").execute(&mut *self.connection).await;
        committed.map_err(|error| {
            inner.broken.fetch_or(is_disk(&error), Ordering::AcqRel);
            unavailable(error)
        })?;
        self.ended = true;
        Ok(())
    }

    /// Undoes what was not committed. After some failures SQLite has done so itself; then the connection is
    /// not used again.
    async fn give_up(mut self) {
        if !self.ended {
            self.ended = run(&mut self.connection, "ROLLBACK").await.is_ok();
        }
    }

    /// Sets what is written next apart from what is whole.
    async fn separate(&mut self) -> Result<(), Unavailable> {
        if self.torn {
            // The savepoint stays, for the one who comes now.
            run(&mut self.connection, UNDO).await?;
            (self.torn, self.last) = (false, None);
            return Ok(());
        }
        run(&mut self.connection, "SAVEPOINT one_write").await
    }
}

async fn run(
    connection: &mut SqliteConnection,
    statements: &'static str,
) -> Result<(), Unavailable> {
    sqlx::raw_sql(statements).execute(connection).await.map(drop).map_err(unavailable)
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            // Closed, it undoes what it did not commit.
            self.connection.close_on_drop();
        }
    }
}

impl Writing {
    /// Waits until the write is on the disk.
    pub(crate) async fn commit(self) -> Result<(), Unavailable> {
        let span = debug_span!(target: STEP, "store", outcome = Empty);
        step(span, self.commit_with_others(), |_| "unavailable").await
    }

    async fn commit_with_others(mut self) -> Result<(), Unavailable> {
        let is_first = self.group.whole == 0;
        self.group.whole = self.group.whole.saturating_add(1);
        // Whole from here on: one who goes away while the savepoint is released does not undo it.
        self.is_whole = true;
        if !is_first {
            run(&mut self.group.connection, "RELEASE one_write").await?;
        }
        let mut done = self.group.done.subscribe();
        // From here on others write, and then it is committed.
        drop(self);
        let done = done.wait_for(Option::is_some).await.map_err(unavailable)?;
        done.clone().unwrap_or_else(|| Err(unavailable("a write was lost")))
    }

    /// The last link of the chain, where an earlier write of the group has told it.
    pub(crate) fn last(&mut self) -> &mut Option<Option<Link>> {
        &mut self.group.last
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.is_whole {
            self.group.torn = true;
        }
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.group.connection
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.group.connection
    }
}

/// Whether the disk failed, and not only for want of space: then what a later commit says cannot be believed
/// either (`SQLITE_IOERR`, <https://www.sqlite.org/rescode.html>).
fn is_disk(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 10)
}

const UNDO: &str = "ROLLBACK TO one_write";
const BROKEN: &str = "the disk failed to keep a commit; look at the disk, run `toolward audit verify`, and start the host again";
