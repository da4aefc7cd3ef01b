//! The command line: one file for each subcommand.
mod anchored;
mod api_key;
mod approval;
mod audit;
mod backup;
mod budget;
mod build;
mod call;
mod check;
mod client;
mod compile;
mod credential;
mod demo;
mod init;
mod kill;
mod observe;
mod openapi;
mod policy;
mod run;
mod secret;
mod serve;
mod terminal;
mod time;
mod token;
mod tool;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use anchored::anchored;
use clap::{Parser, Subcommand};
use terminal::{LogForm, Passphrases, Terminal};
use toolward_gate::{Refusal, Stop};
use toolward_state::StateError;
use toolward_vault::{PassphraseSource, SecretStoreError, forbid_core_dumps};

use crate::{
    authn::AuthnError,
    build::BuildError,
    config::{self, Config},
    telemetry::Telemetry,
    wiring::StartError,
};

/// Run agent tools you do not trust, with credentials they never see.
#[derive(Parser)]
#[command(name = "toolward", bin_name = "toolward", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
struct Cli {
    /// The configuration; without it, `toolward.toml` here or in a folder above.
    #[arg(long, global = true, env = "TOOLWARD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write data as JSON, and errors as one JSON object on standard error.
    #[arg(long, global = true)]
    json: bool,
    /// Say more in the log on standard error; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// How the log is written: for people, or an object a line.
    #[arg(long, global = true, value_name = "FORM", default_value = "text")]
    log_format: LogForm,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole product on this machine, with every claim checked.
    Demo(demo::Demo),
    /// Write a first configuration.
    Init(init::Init),
    /// Build a tool's crate into a component.
    Build(build::Build),
    /// Say what a component imports, wants and would get. It does not run.
    Check(check::Check),
    /// Add, list, show and remove components.
    #[command(subcommand)]
    Tool(tool::Tool),
    /// Keep secrets. Values come from a prompt or standard input, never from the command line.
    #[command(subcommand)]
    Secret(secret::Secret),
    /// See how much of rates and budgets is used, and when it comes back.
    #[command(subcommand)]
    Budget(budget::Budget),
    /// See which credentials there are. Their values are never shown.
    #[command(subcommand)]
    Credential(credential::Credential),
    /// Call one tool, as any door does.
    Call(call::Call),
    /// Serve the tools over MCP on standard input and output.
    Run(run::Run),
    /// Serve the tools over MCP and REST, and the administration, on the addresses of the configuration.
    Serve(serve::Serve),
    /// Print the OpenAPI document of what `serve` serves.
    Openapi(openapi::OpenApi),
    /// See and answer what waits for a person.
    #[command(subcommand)]
    Approval(approval::Approval),
    /// Throw and lift kill switches.
    #[command(subcommand)]
    Kill(kill::Kill),
    /// Check, explain, test and prove what the policies say.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Make and read tokens, to try things out.
    #[command(subcommand)]
    Token(token::Token),
    /// Make, list and revoke static keys, for those who have nothing else.
    #[command(subcommand)]
    ApiKey(api_key::ApiKey),
    /// Read, search, export and check the audit trail.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Copy the database and the key of its trail, while hosts run.
    Backup(backup::Backup),
    /// Write this host into the configuration of an MCP client.
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Compile a component from standard input to standard output, for a host that runs.
    #[command(hide = true)]
    Compile(compile::Compile),
}

/// How a command ended, as programs see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Exit {
    Ok = 0,
    Failure = 1,
    Usage = 2,
    Config = 3,
    Denied = 4,
    Held = 5,
    ApprovalDenied = 6,
    ToolFailed = 8,
    ToolStopped = 9,
    NotFound = 10,
    TimeOver = 124,
    Interrupted = 130,
}

const EXIT_CODES: &str = "\
Exit codes:
  0 ok   1 failure   2 usage   3 configuration   4 denied   5 waits for approval   6 approval denied
  8 the tool returned an error   9 the tool crashed or met a limit   10 not found   124 time over   130 interrupted";

impl Exit {
    fn of(stop: &Stop) -> Self {
        match stop {
            Stop::Held { .. } => Self::Held,
            Stop::Refused(Refusal::Denied { .. } | Refusal::Unanswered) => Self::ApprovalDenied,
            Stop::Refused(_) => Self::Denied,
            Stop::Halted(toolward_gate::Cause::TimeOver) => Self::TimeOver,
            Stop::Halted(_) => Self::Denied,
            Stop::Failed(_) => Self::ToolFailed,
            Stop::Limit(_) | Stop::Trapped { .. } | Stop::BadOutput { .. } => Self::ToolStopped,
            Stop::Cancelled => Self::Interrupted,
            Stop::Unavailable(_) => Self::Failure,
        }
    }
}

/// Why a command failed: what to say, and how to end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no configuration.
    #[error("there is no `toolward.toml` here or in a folder above; `toolward init` writes one")]
    NoConfig,
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Authn(#[from] AuthnError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Store(#[from] SecretStoreError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{stop}")]
    Stopped { stop: Stop },
    /// Everything that was to be said has been said.
    #[error("")]
    Silent(Exit),
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<toolward_gate::Unavailable> for Failure {
    fn from(error: toolward_gate::Unavailable) -> Self {
        Self::Start(error.into())
    }
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Self::Start(_) | Self::NoConfig => Exit::Config,
            Self::NotFound(_) => Exit::NotFound,
            Self::Usage(_) => Exit::Usage,
            Self::Refused(_) | Self::Authn(_) => Exit::Denied,
            Self::Stopped { stop } => Exit::of(stop),
            Self::Silent(exit) => *exit,
            Self::Build(_) | Self::Store(_) | Self::State(_) | Self::Other(_) => Exit::Failure,
        }
    }

    /// Stable: programs match on it.
    fn code(&self) -> &str {
        match self {
            Self::Start(_) | Self::NoConfig => "configuration",
            Self::NotFound(_) => "not-found",
            Self::Usage(_) => "usage",
            Self::Refused(_) => "refused",
            Self::Authn(_) => "unauthenticated",
            Self::Build(_) => "build",
            Self::Store(_) => "secret-store",
            Self::State(_) => "state",
            Self::Stopped { stop: Stop::Failed(failure) } => &failure.code,
            Self::Stopped { stop } => stop.code(),
            Self::Silent(_) | Self::Other(_) => "failure",
        }
    }
}

/// What every command needs to know.
struct Context {
    config: Option<PathBuf>,
    terminal: Terminal,
    /// Who is told of the calls that are carried; nobody, where it is empty.
    telemetry: OnceLock<Arc<Telemetry>>,
}

impl Context {
    fn config_path(&self) -> Result<PathBuf, Failure> {
        config::find(self.config.as_deref()).ok_or(Failure::NoConfig)
    }

    fn config(&self) -> Result<Config, Failure> {
        self.config_at(&self.config_path()?)
    }

    fn config_at(&self, path: &Path) -> Result<Config, Failure> {
        Ok(Config::load(path).map_err(StartError::from)?)
    }

    fn passphrases(&self) -> Arc<dyn PassphraseSource> {
        Arc::new(Passphrases)
    }
}

/// This very program, which also compiles components in a process of its own.
fn program() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?)
}

/// A crash would write secrets to a file.
const CORE_DUMPS: &str = "core dumps cannot be forbidden";

/// Runs the program.
pub fn main() -> ExitCode {
    if let Err(error) = forbid_core_dumps() {
        Terminal::new(false).fail(&anyhow::Error::new(error).context(CORE_DUMPS).into());
        return ExitCode::from(Exit::Failure as u8);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(misread(&error) as u8),
    };
    if let Command::Compile(compile) = &cli.command {
        return compile.run();
    }
    let terminal = Terminal::new(cli.json);
    let context = Context { config: cli.config, terminal, telemetry: OnceLock::new() };
    let exit = match start(cli.command, &context, (cli.verbose, cli.log_format)) {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            context.terminal.fail(&failure);
            failure.exit()
        }
    };
    ExitCode::from(exit as u8)
}

/// What is said of words that are no command; also where help or the version was asked for.
fn misread(error: &clap::Error) -> Exit {
    let json = std::env::args().take_while(|word| word != "--").any(|word| word == "--json");
    if error.use_stderr() && json {
        Terminal::new(true).fail(&Failure::Usage(error.render().to_string().trim().to_owned()));
    } else {
        // The stream may be closed; there is nowhere to say so.
        let _said = error.print();
    }
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

fn start(
    command: Command,
    context: &Context,
    (verbose, form): (u8, LogForm),
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if matches!(command, Command::Call(_) | Command::Run(_) | Command::Serve(_)) {
        context.observe(runtime.handle())?;
    }
    let layers = context.layers();
    let tap = terminal::log((verbose, form), matches!(command, Command::Demo(_)), layers);
    let done = runtime.block_on(async {
        match command {
            Command::Demo(demo) => demo.run(context, tap).await,
            Command::Init(init) => init.run(context),
            Command::Build(build) => build.run(context),
            Command::Check(check) => check.run(context),
            Command::Tool(tool) => tool.run(context).await,
            Command::Secret(secret) => secret.run(context).await,
            Command::Budget(budget) => budget.run(context).await,
            Command::Credential(credential) => credential.run(context).await,
            Command::Call(call) => call.run(context).await,
            Command::Run(run) => Box::pin(run.run(context)).await,
            Command::Serve(serve) => serve.run(context).await,
            Command::Openapi(openapi) => openapi.run(context),
            Command::Approval(approval) => Box::pin(anchored(context, approval.run(context))).await,
            Command::Kill(kill) => Box::pin(anchored(context, kill.run(context))).await,
            Command::Policy(policy) => policy.run(context).await,
            Command::Token(token) => token.run(context).await,
            Command::ApiKey(key) => key.run(context).await,
            Command::Audit(audit) => audit.run(context).await,
            Command::Client(client) => client.run(context),
            Command::Backup(backup) => backup.run(context).await,
            // It needs no runtime.
            Command::Compile(_) => Ok(()),
        }
    });
    context.end_telling();
    // A thread may still read standard input.
    runtime.shutdown_background();
    done
}
