// The few calls that pages make themselves: lists of photos, deleting, publishing. Uploads go by the engine.

import { failedWith, type Result, succeeded } from "../kernel/result.ts";

export type CallFailure = Readonly<{ code: string; status: number }>;
export type Answer = Result<unknown, CallFailure>;

let csrfToken: Promise<string> | null = null;

export async function getJson(path: string): Promise<Answer> {
  return await call(path, { method: "GET" });
}

/** A token that has grown old is fetched once more and the call repeated once. */
export async function sendJson(
  method: "POST" | "PATCH" | "DELETE",
  path: string,
  body: unknown,
): Promise<Answer> {
  const answer = await callWithToken(method, path, body);
  if (!answer.ok && answer.failure.code === "csrf_failed") {
    csrfToken = null;
    return await callWithToken(method, path, body);
  }
  return answer;
}

async function callWithToken(method: string, path: string, body: unknown): Promise<Answer> {
  csrfToken ??= readToken();
  const token = await csrfToken;
  return await call(path, {
    method,
    headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    body: JSON.stringify(body),
  });
}

async function readToken(): Promise<string> {
  const answer = await getJson("/api/session");
  const token = answer.ok ? fieldOf(answer.value, "csrf_token") : null;
  return typeof token === "string" ? token : "";
}

async function call(path: string, init: RequestInit): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, credentials: "same-origin" });
  } catch {
    return failedWith({ code: "offline", status: 0 });
  }
  const body = await bodyOf(response);
  if (response.ok) {
    return succeeded(body);
  }
  const code = fieldOf(fieldOf(body, "error"), "code");
  return failedWith({ code: typeof code === "string" ? code : "server_error", status: response.status });
}

async function bodyOf(response: Response): Promise<unknown> {
  try {
    return response.status === 204 ? null : await response.json();
  } catch {
    return null;
  }
}

export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
