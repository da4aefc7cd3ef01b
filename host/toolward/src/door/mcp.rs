//! What MCP asks of the host, whatever it comes in by: lists and calls, for one principal each.
mod asking;
mod listening;
mod progress;
mod refused;
mod tasks;

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams,
        CompleteRequestMethod, CompleteRequestParams, CompleteResult, ContentBlock, GetTaskParams,
        GetTaskResult, Implementation, InitializeRequestParams, InitializeResult, JsonObject,
        ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
        ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult,
        ListToolsResult, MetaObject, PaginatedRequestParams, ServerCapabilities, ServerConfig,
        SubscriptionFilter, ToolAnnotations, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde_json::Value;
use tokio::sync::mpsc;
use toolward_gate::{ApprovalId, Principal, Stop, ToolFailure, ToolName};
use toolward_sandbox::Output;
use toolward_state::State;
use tracing::Instrument as _;

pub(super) use listening::Ends;
pub(super) use refused::NotGranted;

use self::{
    asking::{Asking, Next},
    listening::Streams,
    tasks::{Carried, Tasks},
};
use crate::{
    config::ApprovalPage,
    host::Host,
    telemetry,
    tools::{ReadError, Tool},
};

/// Answers one client, or one request.
#[derive(Clone, Debug)]
pub(super) struct Door {
    host: Arc<Host>,
    speaker: Speaker,
    tasks: Tasks,
    streams: Streams,
    page: Option<ApprovalPage>,
}

impl Door {
    pub(super) fn new(
        host: Arc<Host>,
        speaker: Speaker,
        state: State,
        page: Option<ApprovalPage>,
    ) -> Self {
        Self { host, speaker, tasks: Tasks::of(state), streams: Streams::default(), page }
    }
}

/// Who speaks through it.
#[derive(Clone, Debug)]
pub(super) enum Speaker {
    /// The one who started the host. The other end is told when nothing is being answered any more.
    Connected { principal: Principal, _serving: mpsc::Sender<()> },
    /// Whom the guard of the listener found in each request.
    Requesting,
}

impl Speaker {
    fn principal(&self, context: &RequestContext<RoleServer>) -> Result<Principal, ErrorData> {
        match self {
            Self::Connected { principal, .. } => Ok(principal.clone()),
            Self::Requesting => {
                let request = context.extensions.get::<http::request::Parts>();
                let principal = request.and_then(|request| request.extensions.get::<Principal>());
                principal.cloned().ok_or_else(|| ErrorData::internal_error("nobody speaks", None))
            }
        }
    }

    /// As policies and the trail name it.
    fn door(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "mcp-stdio",
            Self::Requesting => "mcp-http",
        }
    }
}

impl ServerHandler for Door {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().enable_tasks();
        let mut info = ServerConfig::new(capabilities.build());
        info.server_info = Implementation::new("toolward", env!("CARGO_PKG_VERSION"));
        info.instructions = Some(INSTRUCTIONS.to_owned());
        info
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut info = self.negotiate_initialize(&request)?;
        context.peer.set_peer_info(request);
        // Without a session there is nothing to send a change on.
        if matches!(self.speaker, Speaker::Requesting)
            && let Some(tools) = &mut info.capabilities.tools
        {
            tools.list_changed = None;
        }
        Ok(info)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if let Speaker::Connected { principal, .. } = &self.speaker {
            tokio::spawn(listening::tell(self.host.clone(), principal.clone(), context.peer));
        }
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut filter = SubscriptionFilter::default();
        filter.tools_list_changed = Some(true);
        Some(filter)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        listening::serve(self, &context).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let (principal, door) = (self.speaker.principal(&context)?, self.speaker.door());
        self.tasks.get(&self.host, &principal, door, &request.task_id).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.update(&self.speaker.principal(&context)?, &request.task_id).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.cancel(&self.speaker.principal(&context)?, &request.task_id).await
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let principal = self.speaker.principal(&context)?;
        let cursor = request.and_then(|request| request.cursor);
        let after = cursor.map(|cursor| after(&cursor)).transpose()?;
        let page = self.host.page(&principal, after.as_ref(), PAGE).await;
        let page = page.map_err(|_| ErrorData::internal_error(UNAVAILABLE, None))?;
        let mut listed =
            ListToolsResult::with_all_items(page.tools.into_iter().map(described).collect());
        listed.next_cursor = page.next.map(|name| format!("{AFTER}{name}"));
        // What one principal may call is nothing to keep for another.
        listed.cache_scope = Some(CacheScope::Private);
        listed.ttl_ms = Some(FRESH);
        Ok(listed)
    }

    fn get_tool(&self, name: &str) -> Option<rmcp::model::Tool> {
        self.host.tools.find_serving(name).map(described)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let traceparent = context.meta.get_traceparent().map(str::to_owned);
        let door = self.speaker.door();
        let span = telemetry::request(door, "tools/call", traceparent.as_deref());
        self.carry(request, context).instrument(span).await
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourceTemplatesRequestMethod>())
    }
}

/// A cursor names the last tool of the page before: it still holds when tools come and go.
fn after(cursor: &str) -> Result<ToolName, ErrorData> {
    let name = cursor.strip_prefix(AFTER).and_then(|name| name.parse().ok());
    name.ok_or_else(|| ErrorData::invalid_params("it is no cursor of this list", None))
}

impl Door {
    async fn carry(
        &self,
        mut request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.take().unwrap_or_default()).to_string();
        let connected = matches!(self.speaker, Speaker::Connected { .. });
        let (name, mut asking) = (request.name.as_ref(), None);
        loop {
            let (approval, summary) = match self.carry_once(name, &arguments, &context).await? {
                Carried::Task(task) => return Ok(CallToolResponse::Task(tasks::handle(&task))),
                Carried::Done(Err(Stop::Held { approval, summary })) => (approval, summary),
                Carried::Done(outcome) => {
                    refused::tell(&context, &outcome);
                    return Ok(answered(outcome).into());
                }
            };
            // Most calls are not held, and have nothing to ask.
            let next = match asking.get_or_insert_with(|| {
                Asking::of(&request, &context, connected, self.page.as_ref())
            }) {
                Some(asking) => asking.next(name, approval).await,
                None => Next::Say,
            };
            match next {
                Next::Again => {}
                Next::Ask(asked) => return Ok(asked.into()),
                Next::Say => return Ok(self.held(approval, summary).into()),
            }
        }
    }

    async fn carry_once(
        &self,
        name: &str,
        arguments: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<Carried, ErrorData> {
        let (principal, door) = (self.speaker.principal(context)?, self.speaker.door());
        let (progress, telling) = progress::heard(&context.peer, context.meta.get_progress_token());
        let read = self.host.tools.read(&principal, door, name, arguments, progress);
        let call = match read {
            Ok(call) => call,
            // A model can mend its arguments; a tool that is not there is the client's mistake.
            Err(error @ (ReadError::NoSuchTool { .. } | ReadError::KeptBack { .. })) => {
                return Err(ErrorData::invalid_params(error.to_string(), None));
            }
            Err(error) => return Ok(unread(&error)),
        };
        let cancelled = context.ct.clone();
        let cancelled = async move { cancelled.cancelled().await };
        let declared = context.client_capabilities();
        let carried = if declared.is_some_and(|declared| declared.supports_tasks()) {
            self.tasks.carry(&self.host, call, cancelled, telling.is_some()).await
        } else {
            Carried::Done(self.host.perform_unless(call, cancelled).await)
        };
        if let Some(telling) = telling {
            // What comes after the answer is a mistake in MCP. A task that panicked has said so.
            let _told = telling.await;
        }
        Ok(carried)
    }

    /// What every client can do with a call that is held: to show its words, and to call again.
    fn held(&self, approval: ApprovalId, summary: String) -> CallToolResult {
        let mut result = answered(Err(Stop::Held { approval, summary }));
        if let (Some(page), Some(meta)) = (&self.page, &mut result.meta) {
            meta.0.insert(SHOWN_AT.to_owned(), page.of(approval).into());
        }
        result
    }
}

fn unread(error: &ReadError) -> Carried {
    let failure = ToolFailure { code: "arguments".to_owned(), message: error.to_string() };
    Carried::Done(Err(Stop::Failed(failure)))
}

fn described(tool: &Tool) -> rmcp::model::Tool {
    let manifest = &tool.manifest;
    let hints = &manifest.annotations;
    let annotations = ToolAnnotations::new()
        .read_only(hints.read_only)
        .destructive(hints.destructive)
        .idempotent(hints.idempotent)
        .open_world(hints.open_world);
    let mut described = rmcp::model::Tool::new(
        manifest.name.to_string(),
        manifest.description.clone(),
        object(&manifest.input_schema),
    );
    described.title.clone_from(&manifest.title);
    described.annotations = Some(annotations);
    // Structured results are objects; a tool that answers with something else answers in text.
    let structured = manifest.output_schema.get("type").is_some_and(|kind| kind == "object");
    described.output_schema = structured.then(|| object(&manifest.output_schema));
    described
}

fn object(schema: &Value) -> Arc<JsonObject> {
    Arc::new(schema.as_object().cloned().unwrap_or_default())
}

fn answered(outcome: Result<Output, Stop>) -> CallToolResult {
    match outcome {
        Ok(Output { value: value @ Value::Object(_) }) => CallToolResult::structured(value),
        // A text is what it says, and not what JSON makes of it.
        Ok(Output { value: Value::String(text) }) => {
            CallToolResult::success(vec![ContentBlock::text(text)])
        }
        Ok(Output { value }) => {
            CallToolResult::success(vec![ContentBlock::text(value.to_string())])
        }
        Err(Stop::Failed(failure)) => failed(&failure.code, &failure.message, None),
        Err(stop) => failed(stop.code(), &stop.to_string(), approval(&stop)),
    }
}

fn approval(stop: &Stop) -> Option<String> {
    if let Stop::Held { approval, .. } = stop { Some(approval.to_string()) } else { None }
}

/// A failure that a model reads and a program can match on.
///
/// It is not structured content: some clients hold that to the tool's output schema, failure or not, and would
/// show a model their own complaint in place of the reason.
fn failed(code: &str, message: &str, approval: Option<String>) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(format!("{code}: {message}"))]);
    let mut meta = MetaObject::new();
    meta.0.insert(CODE.to_owned(), code.into());
    meta.0.extend(approval.map(|approval| (APPROVAL.to_owned(), approval.into())));
    result.meta = Some(meta);
    result
}

const INSTRUCTIONS: &str = "Tools run in a sandbox, under policies. A call that answers `held` waits for a person: \
     call again with the same arguments once it is approved. A call that answers `forbidden` or `not-granted` does not \
     become possible by asking again.";
/// Where programs find the code of a failure, and the approval that a held call waits for.
const CODE: &str = "toolward/code";
const APPROVAL: &str = "toolward/approval";
/// Where the approval is shown to people, where there is such a page.
const SHOWN_AT: &str = "toolward/page";
/// Tools on one page.
const PAGE: usize = 100;
const UNAVAILABLE: &str = "what you may call cannot be read; the operator's log says why";
const AFTER: &str = "after:";
/// Milliseconds for which a list may be taken as it was.
const FRESH: u64 = 10_000;
