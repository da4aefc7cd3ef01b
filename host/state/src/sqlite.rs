//! One SQLite file: opened, migrated, written by one connection at a time.
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{sync::Notify, time::Instant};
use toolward_gate::{Asking, Clock, Unavailable, private_file};

use crate::{
    audit::{self, key::AuditKey},
    denials::Seen,
    faults,
    lease::Lease,
    unavailable,
    writer::{Writer, Writing},
};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Why the database did not open.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(
        "the database `{path}` was written by a newer version of toolward (migration {version}); use that version, or a backup from before it"
    )]
    Newer { path: PathBuf, version: i64 },
    #[error(
        "`{path}` is not a toolward database: {cause}; move it away, or name another `data` directory"
    )]
    NotOurs { path: PathBuf, cause: String },
    #[error("`{path}` can be read by others (mode {mode:03o}); run `chmod 600 {path}`")]
    Readable { path: PathBuf, mode: u32 },
    #[error(
        "`{path}`, the key of the audit trail, is not there, but the trail is: put the key back from a backup; without it, move the `data` directory away and start a new trail"
    )]
    KeyLost { path: PathBuf },
    #[error("`{path}`, the key of the audit trail, cannot be used: {cause}")]
    Key { path: PathBuf, cause: String },
    #[error("{0}")]
    Trail(String),
    #[error("`{path}` is a symbolic link; name the file itself")]
    Link { path: PathBuf },
    #[error("`{path}` cannot be opened: {cause}")]
    Open { path: PathBuf, cause: String },
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What the host remembers. Clones share the connections.
#[derive(Clone)]
pub struct State {
    writer: Writer,
    readers: SqlitePool,
    pub(crate) key: Arc<AuditKey>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) seen: Arc<Seen>,
    /// Wakes those who wait for an answer given in this process.
    pub(crate) answered: Arc<Notify>,
    /// How people are asked.
    pub(crate) asking: Arc<Asking>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    /// Opens the database, and creates or migrates it where needed.
    ///
    /// Several processes may hold the same file open.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StateError> {
        prepare(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A record is on the disk when the write returns.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            // A slow disk shows in the metrics. On standard error it would stand beside what a program reads.
            .disable_statement_logging();
        let open = |error: sqlx::Error| not_opened(path, &error);
        let writer = connect(1, options.clone().busy_timeout(AGAIN)).await.map_err(open)?;
        let unsealed = migrate(&writer, path).await?;
        let fresh = async || Ok(unsealed || audit::is_empty(&writer).await?);
        let key = Arc::new(AuditKey::beside(path, fresh).await?);
        let readers = connect(READERS, options.pragma("query_only", "on")).await.map_err(open)?;
        let lease = Arc::new(Lease::beside(path));
        let writer = Writer::on(writer);
        let state = Self {
            writer,
            readers,
            key,
            clock,
            lease,
            seen: Arc::default(),
            answered: Arc::default(),
            asking: Arc::default(),
        };
        if unsealed {
            state.seal_what_is_there().await?;
        }
        Ok(state)
    }

    /// The same database, which asks people in this way.
    #[must_use]
    pub fn asking(self, asking: Asking) -> Self {
        Self { asking: asking.into(), ..self }
    }

    /// Writes a whole copy of the database to a new file, and the key of its trail beside it.
    pub async fn backup(&self, to: &Path) -> Result<(), StateError> {
        let fail = |cause: String| StateError::Open { path: to.to_owned(), cause };
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|error| fail(error.to_string()))?;
        }
        if fs::symlink_metadata(to).is_ok() {
            return Err(fail("there is a file of this name".to_owned()));
        }
        let unfinished = to.with_extension(format!("{}.unfinished", uuid::Uuid::new_v4()));
        let copied = self.copy(&unfinished, to).await;
        let removed = fs::remove_file(&unfinished);
        copied.and(removed.map_err(unavailable)).map_err(|error| fail(error.cause.to_string()))
    }

    /// Whole or not at all: half a copy would be taken for a backup.
    async fn copy(&self, unfinished: &Path, to: &Path) -> Result<(), Unavailable> {
        let name = unfinished.to_str().ok_or_else(|| unavailable("its name is not UTF-8"))?;
        // SQLite writes into an empty file, which is its owner's alone from the beginning.
        private_file::create(unfinished).map_err(unavailable)?;
        faults::at("backup")?;
        let copied = sqlx::query("VACUUM INTO ?").bind(name).execute(self.writer.pool()).await;
        copied.map_err(unavailable)?;
        faults::at("backup-written")?;
        fs::File::open(unfinished).and_then(|file| file.sync_all()).map_err(unavailable)?;
        self.key.copy_beside(to).map_err(unavailable)?;
        fs::hard_link(unfinished, to).map_err(unavailable)?;
        faults::at("backup-linked")?;
        private_file::sync_folder(to).map_err(unavailable)
    }

    /// Closes every connection, so that all is in the one file.
    pub async fn shut(self) {
        self.readers.close().await;
        self.writer.pool().close().await;
    }

    /// A write of its own, which is on the disk once it is committed.
    pub(crate) async fn write(&self) -> Result<Writing, Unavailable> {
        self.writer.write().await
    }

    pub(crate) fn read_pool(&self) -> &SqlitePool {
        &self.readers
    }
}

/// Creates the file for its owner alone, or checks that nobody else can read it.
fn prepare(path: &Path) -> Result<(), StateError> {
    let open =
        |error: io::Error| StateError::Open { path: path.to_owned(), cause: error.to_string() };
    match private_file::create(path).map(drop) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            check_found(path, &fs::symlink_metadata(path).map_err(open)?)
        }
        made => made.map_err(open),
    }
}

/// Checks that a file is one, and its owner's alone.
pub(crate) fn check_private(path: &Path) -> Result<(), StateError> {
    match fs::symlink_metadata(path) {
        Ok(found) => check_found(path, &found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StateError::KeyLost { path: path.to_owned() })
        }
        Err(error) => Err(StateError::Open { path: path.to_owned(), cause: error.to_string() }),
    }
}

fn check_found(path: &Path, found: &fs::Metadata) -> Result<(), StateError> {
    if found.is_symlink() {
        return Err(StateError::Link { path: path.to_owned() });
    }
    check_mode(path, found)
}

/// Connects, also while another host does the same: SQLite does not wait by itself for the lock that a new file needs
/// once, to be given its log.
async fn connect(most: u32, options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let patience = Patience::begin();
    loop {
        let pool = SqlitePoolOptions::new().max_connections(most);
        match pool.connect_with(options.clone()).await {
            Err(error) if patience.lasts(&error) => Patience::pause().await,
            connected => return connected,
        }
    }
}

/// How long something is tried again while another process has the file, and how often.
///
/// SQLite's own wait looks ever more seldom, ten times a second in the end: beside a host that writes without a pause it
/// hardly ever finds the moment between two writes.
pub(crate) struct Patience(Instant);

impl Patience {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    /// Whether what failed so may still succeed.
    pub(crate) fn lasts(&self, error: &sqlx::Error) -> bool {
        is_code(error, BUSY_CODE) && self.0.elapsed() < BUSY
    }

    pub(crate) async fn pause() {
        tokio::time::sleep(AGAIN).await;
    }
}

/// In one transaction: of two hosts that open a new file, one waits for the other, and a file that is
/// not ours stays as it was. Says whether there is a trail that was written before there was a key.
async fn migrate(writer: &SqlitePool, path: &Path) -> Result<bool, StateError> {
    let open = |error: sqlx::Error| not_opened(path, &error);
    let patience = Patience::begin();
    let mut writing = loop {
        match writer.begin_with("BEGIN IMMEDIATE").await {
            Err(error) if patience.lasts(&error) => Patience::pause().await,
            begun => break begun.map_err(open)?,
        }
    };
    let unsealed: bool =
        sqlx::query_scalar(UNSEALED).fetch_one(&mut *writing).await.map_err(open)?;
    // As `run` does it; the future of `run` itself cannot be sent to another thread from here.
    let migrated = MIGRATIONS.run_direct(None, &mut *writing, false).await;
    migrated.map_err(|error| not_migrated(path, &error))?;
    faults::io("migrate").map_err(sqlx::Error::Io).map_err(open)?;
    writing.commit().await.map_err(open)?;
    faults::io("migrated").map_err(sqlx::Error::Io).map_err(open)?;
    Ok(unsealed)
}

#[cfg(unix)]
fn check_mode(path: &Path, found: &fs::Metadata) -> Result<(), StateError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(StateError::Readable { path: path.to_owned(), mode })
    }
}

#[cfg(not(unix))]
fn check_mode(_path: &Path, _found: &fs::Metadata) -> Result<(), StateError> {
    Ok(())
}

fn not_opened(path: &Path, error: &sqlx::Error) -> StateError {
    let (path, cause) = (path.to_owned(), error.to_string());
    if is_code(error, NOT_A_DATABASE_CODE) {
        StateError::NotOurs { path, cause }
    } else {
        StateError::Open { path, cause }
    }
}

/// Whether SQLite failed with this code, or with one that extends it in the higher bytes.
fn is_code(error: &sqlx::Error, code: u32) -> bool {
    let found = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    found.is_some_and(|found| found & 0xff == code)
}

fn not_migrated(path: &Path, error: &MigrateError) -> StateError {
    let path = path.to_owned();
    if let MigrateError::VersionMissing(version) = error {
        StateError::Newer { path, version: *version }
    } else {
        StateError::NotOurs { path, cause: error.to_string() }
    }
}

/// Whether there is a trail, and nothing to seal it with.
const UNSEALED: &str = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('audit') WHERE name = 'hash') \
    AND NOT EXISTS (SELECT 1 FROM pragma_table_info('audit') WHERE name = 'seal')";
/// How long a write waits for another process.
const BUSY: Duration = Duration::from_secs(5);
/// How long to wait before looking again whether it is free.
const AGAIN: Duration = Duration::from_millis(1);
/// `SQLITE_BUSY` and `SQLITE_NOTADB`, as in <https://www.sqlite.org/rescode.html>.
const BUSY_CODE: u32 = 5;
const NOT_A_DATABASE_CODE: u32 = 26;
/// Connections that only read.
const READERS: u32 = 4;
