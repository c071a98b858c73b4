//! Refusals, in the form that clients of IMGAPI read: a code, a message, and what was wrong with which field.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::read::answer;

/// Why a request is not done.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    errors: Vec<Value>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), errors: Vec::new() }
    }

    /// The request itself can be understood, but not done.
    pub fn unprocessable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// A parameter of the query. `why` is `Invalid`, `MissingParameter` or the like.
    pub fn parameter(field: &str, why: &str, message: impl Into<String>) -> Self {
        Self::unprocessable("InvalidParameter", message).about(field, why)
    }

    /// A manifest, or a part of it.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::unprocessable("ValidationFailed", message)
    }

    /// The same refusal, with what is wrong with a field.
    #[must_use]
    pub fn about(mut self, field: &str, why: &str) -> Self {
        self.errors.push(json!({"field": field, "code": why}));
        self
    }

    /// What the path names does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    }

    pub fn no_image(uuid: &str) -> Self {
        Self::not_found(format!("image \"{uuid}\" not found"))
    }

    /// Something of this server's own that does not work; the log says what.
    pub fn internal(message: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// What came is not what was announced, or more than is taken.
    pub fn upload(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Upload", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"code": self.code, "message": self.message});
        if !self.errors.is_empty() {
            body["errors"] = self.errors.into();
        }
        answer(self.status, &body)
    }
}
