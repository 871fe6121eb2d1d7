//! Requests without RPC. Each is answered with its content, unless that is a command.

use std::time::Instant;

use aiomas_core::agent::Route;
use aiomas_core::connection::{CallError, CallOptions, Close};
use aiomas_core::wire::{Payload, RemoteError, Value};
use serde::Serialize;
use serde_json::json;

use crate::host::{CallFailed, Host, Ticket};
use crate::peer::MAX_SIZE;
use crate::types::Unserializable;

/// The beginning of an answer of 1000 bytes, without the rest.
const HALF: &[u8] = b"\0\0\x03\xe8[1, 0, \"yyyy";

/// Answers `content`.
pub(super) fn answer(host: &mut Host, ticket: Ticket, content: &Payload) {
    match content.decode::<Value>() {
        Ok(content) => match content.get("cmd").and_then(Value::as_str) {
            Some(command) => obey(host, ticket, command, &content),
            None => host.reply(ticket, &content),
        },
        Err(error) => host.fail(ticket, RemoteError::value_error(error)),
    }
}

fn obey(host: &mut Host, ticket: Ticket, command: &str, content: &Value) {
    let value = || content.get("value").cloned().unwrap_or_default();
    let number = |name| content.get(name).and_then(Value::as_f64).unwrap_or_default();
    match command {
        "fail" => {
            let message = content.get("msg").and_then(Value::as_str).unwrap_or_default();
            host.fail(ticket, RemoteError::value_error(message));
        }
        "delay" => host.reply_after(number("ms"), ticket, value()),
        "callback" => call_back(host, ticket, value()),
        "blob" => match number("size") as usize {
            size @ ..=MAX_SIZE => host.reply(ticket, &"x".repeat(size)),
            _ => host.fail(ticket, RemoteError::new("MemoryError", "")),
        },
        "unserializable" => host.reply(ticket, &Unserializable),
        "close" => close(host, &ticket, b""),
        "half" => close(host, &ticket, HALF),
        _ => host.reply(ticket, content),
    }
}

/// Closes the connection of the request, after writing some last bytes.
fn close(host: &mut Host, ticket: &Ticket, last_words: &[u8]) {
    if let Route::Connection(conn) = ticket.route() {
        // If writing fails, the connection is closed already.
        let _gone = host.events.write_raw(conn, last_words);
        host.events.node.close(Instant::now(), conn, Close::Now);
    }
}

#[derive(Serialize)]
struct Callback {
    cb: Value,
}

#[derive(Serialize)]
struct CallbackResult {
    cb_result: Value,
}

/// Calls the client, and answers with the client's answer.
fn call_back(host: &mut Host, ticket: Ticket, value: Value) {
    let Route::Connection(conn) = ticket.route() else { return };
    let request = Callback { cb: value };
    host.send(conn, &request, CallOptions::default(), move |host, answer| match answer {
        Ok(payload) => match payload.decode() {
            Ok(cb_result) => host.reply(ticket, &CallbackResult { cb_result }),
            Err(error) => host.fail(ticket, RemoteError::value_error(error)),
        },
        Err(CallFailed::Call(CallError::Remote(_))) => {
            host.reply(ticket, &json!({"cb_error": true}));
        }
        Err(error) => host.fail(ticket, error),
    });
}
