//! Issues on GitHub (REST API, version 2022-11-28). The token stays with the host.
use serde::{Deserialize, Serialize};
use toolward_sdk::{Capability, ToolError, ToolType, http::Request, path, tool};

#[derive(Deserialize, ToolType)]
struct Repository {
    /// Who owns the repository, as in `acme`.
    owner: String,
    /// The repository, as in `site`.
    repo: String,
    /// Open ones where absent.
    state: Option<State>,
}

#[derive(Clone, Copy, Deserialize, ToolType)]
#[serde(rename_all = "lowercase")]
enum State {
    Open,
    Closed,
    All,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::All => "all",
        }
    }
}

#[derive(Deserialize, ToolType)]
struct IssueNumber {
    owner: String,
    repo: String,
    number: u64,
}

#[derive(Deserialize, ToolType)]
struct NewIssue {
    owner: String,
    repo: String,
    title: String,
    /// Markdown.
    body: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
}

#[derive(Deserialize, ToolType)]
struct NewComment {
    owner: String,
    repo: String,
    number: u64,
    /// Markdown.
    body: String,
}

#[derive(Serialize, ToolType)]
struct Issues {
    issues: Vec<Issue>,
}

#[derive(Deserialize, Serialize, ToolType)]
struct Issue {
    number: u64,
    title: String,
    state: String,
    /// Markdown; absent where nothing was written.
    body: Option<String>,
    html_url: String,
}

#[derive(Deserialize, Serialize, ToolType)]
struct Comment {
    id: u64,
    html_url: String,
}

/// List the issues of a repository, newest first, 30 at most.
#[tool(title = "List issues", read_only, idempotent, open_world)]
fn list_issues(
    of: Repository,
    #[capability("github:issues:read")] github: Capability,
) -> Result<Issues, ToolError> {
    let state = of.state.unwrap_or(State::Open).word();
    let request =
        github.get(&path!("/repos/{}/{}/issues", of.owner, of.repo)).query("state", state);
    Ok(Issues { issues: versioned(request).send()?.error_for_status()?.json()? })
}

/// Read one issue.
#[tool(title = "Read an issue", read_only, idempotent, open_world)]
fn read_issue(
    of: IssueNumber,
    #[capability("github:issues:read")] github: Capability,
) -> Result<Issue, ToolError> {
    let request = github.get(&path!("/repos/{}/{}/issues/{}", of.owner, of.repo, of.number));
    versioned(request).send()?.error_for_status()?.json()
}

/// Open an issue.
#[tool(title = "Open an issue", open_world)]
fn open_issue(
    new: NewIssue,
    #[capability("github:issues:write")] github: Capability,
) -> Result<Issue, ToolError> {
    #[derive(Serialize)]
    struct Body {
        title: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        labels: Vec<String>,
    }
    let request = github.post(&path!("/repos/{}/{}/issues", new.owner, new.repo));
    let body = Body { title: new.title, body: new.body, labels: new.labels };
    versioned(request).json(&body)?.send()?.error_for_status()?.json()
}

/// Comment on an issue.
#[tool(title = "Comment on an issue", open_world)]
fn comment_issue(
    new: NewComment,
    #[capability("github:issues:write")] github: Capability,
) -> Result<Comment, ToolError> {
    let request =
        github.post(&path!("/repos/{}/{}/issues/{}/comments", new.owner, new.repo, new.number));
    versioned(request)
        .json(&serde_json::json!({ "body": new.body }))?
        .send()?
        .error_for_status()?
        .json()
}

fn versioned(request: Request<'_>) -> Request<'_> {
    request
        .header("accept", "application/vnd.github+json")
        .header("x-github-api-version", "2022-11-28")
}
