// Reads one issue on GitHub (REST API, version 2022-11-28). The token stays with the host.
import { obtain } from "toolward:tool/capabilities@0.1.0";
import { send } from "toolward:tool/http@0.1.0";

export function readIssue(owner, repo, number) {
  const github = lent("github:issues:read");
  const target = `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(repo)}/issues/${number}`;
  const issue = get(target, github);
  return { number: issue.number, title: issue.title, state: issue.state, body: issue.body ?? undefined };
}

function lent(name) {
  try {
    return obtain(name);
  } catch {
    throw failure("not-granted");
  }
}

function get(target, under) {
  const headers = [{ name: "accept", value: "application/vnd.github+json" }];
  let response;
  try {
    response = send({ method: "GET", target, headers, body: undefined }, under);
  } catch (refused) {
    throw failure("unavailable", told(refused));
  }
  if (response.status === 404) throw failure("not-found");
  if (response.status !== 200) throw failure("unavailable", `the server answers ${response.status}`);
  return JSON.parse(text(response.body));
}

// From UTF-8: the language itself has no other way, and this engine has no `TextDecoder`.
function text(bytes) {
  return decodeURIComponent(Array.from(bytes, (byte) => "%" + byte.toString(16).padStart(2, "0")).join(""));
}

// What the host says of a request that it did not send, or of an answer that it kept back.
function told(refused) {
  const { tag, val } = refused.payload ?? {};
  return val === undefined ? `the host says: ${tag}` : `the host says: ${tag}: ${val}`;
}

// The error of a `result` is thrown as an exception with a `payload`.
function failure(tag, val) {
  return Object.assign(new Error(tag), { payload: val === undefined ? { tag } : { tag, val } });
}
