//! The document while it grows: paths, each with what it takes, answers and refuses.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use signet_api::ErrorCode::{self, *};
use signet_api::Problem;
use signet_api::scope::Scope;

use crate::schema::{Direction, Schemas};

pub(crate) struct Document {
    pub(crate) schemas: Schemas,
    /// Path, method, operation.
    pub(crate) paths: BTreeMap<&'static str, BTreeMap<&'static str, Value>>,
}

impl Document {
    pub(crate) fn new() -> Document {
        let mut schemas = Schemas::new();
        let problem = Problem::new(NotFound, Some("x".into()), "req-x".into());
        // As RFC 6749 wants it of the token endpoint.
        let problem = Problem { error: Some("x".into()), error_description: Some("x".into()), ..problem };
        let sample = serde_json::to_value(problem).unwrap();
        schemas.of::<Problem>(Direction::Answer, &sample);
        Document { schemas, paths: BTreeMap::new() }
    }

    /// `id` is what generated clients call the function; `summary` is a line.
    pub(crate) fn get(&mut self, path: &'static str, id: &str, summary: &str) -> Operation<'_> {
        Operation::new(self, "get", path, id, summary)
    }

    pub(crate) fn put(&mut self, path: &'static str, id: &str, summary: &str) -> Operation<'_> {
        Operation::new(self, "put", path, id, summary)
    }

    pub(crate) fn delete(&mut self, path: &'static str, id: &str, summary: &str) -> Operation<'_> {
        Operation::new(self, "delete", path, id, summary)
    }

    pub(crate) fn post(&mut self, path: &'static str, id: &str, summary: &str) -> Operation<'_> {
        Operation::new(self, "post", path, id, summary)
    }
}

/// What is known about one method of one path. Nothing is in the document before [`Operation::done`].
#[must_use]
pub(crate) struct Operation<'a> {
    document: &'a mut Document,
    method: &'static str,
    path: &'static str,
    value: Value,
    parameters: Vec<Value>,
    content: Map<String, Value>,
    answers: Map<String, Value>,
    codes: Vec<ErrorCode>,
    refusals: Refusals,
    body: Body,
}

#[derive(PartialEq)]
enum Body {
    Required,
    Optional,
}

/// As what a refusal comes.
#[derive(PartialEq)]
enum Refusals {
    Problem,
    /// RFC 6749 5.2 asks for plain JSON; what is refused before the handler is a problem document all the same.
    Both,
}

impl<'a> Operation<'a> {
    fn new(document: &'a mut Document, method: &'static str, path: &'static str, id: &str, summary: &str) -> Self {
        let value = json!({ "operationId": id, "summary": summary, "tags": [tag(path)], "security": [] });
        Operation {
            document,
            method,
            path,
            value,
            parameters: Vec::new(),
            content: Map::new(),
            answers: Map::new(),
            // Any request may be malformed as HTTP, come from a page (two origins are from none that is listed, whatever the
            // method), meet a full queue or a fault.
            codes: vec![MalformedRequest, Forbidden, Internal, Busy],
            refusals: Refusals::Problem,
            body: Body::Required,
        }
    }

    pub(crate) fn about(mut self, text: &str) -> Self {
        self.value["description"] = text.into();
        self
    }

    // ------------------------------------------------------------------------------------------------------- who may ask

    /// Whoever shows a certificate that is good now; a secret beside it says nothing.
    pub(crate) fn by_certificate(mut self) -> Self {
        self.value["security"] = json!([{ "certificate": [] }]);
        self.refuses(IDENTITY)
    }

    /// Whoever proves who they are, by a certificate, an API key or both.
    pub(crate) fn by_anyone(mut self) -> Self {
        self.value["security"] = json!([{ "certificate": [] }, { "apiKey": [] }, { "accessToken": [] }]);
        self.refuses(IDENTITY).refuses(SECRET)
    }

    /// The same without access tokens; a key may also be the password of HTTP Basic.
    pub(crate) fn by_client(mut self) -> Self {
        self = self.by_anyone();
        self.value["security"] = json!([{ "certificate": [] }, { "apiKey": [] }, { "basicKey": [] }]);
        self
    }

    /// Or by an access token.
    pub(crate) fn or_token(mut self) -> Self {
        self.value["security"].as_array_mut().expect("a list").push(json!({ "accessToken": [] }));
        self
    }

    /// Or by nobody, where the body proves enough.
    pub(crate) fn or_nobody(mut self) -> Self {
        self.value["security"].as_array_mut().expect("a list").push(json!({}));
        self
    }

    /// Refusals also have the code of RFC 6749 5.2, in `error`.
    pub(crate) fn in_words_of_oauth(mut self) -> Self {
        self.refusals = Refusals::Both;
        self
    }

    /// Whoever may do this.
    pub(crate) fn with(mut self, scope: Scope) -> Self {
        self = self.by_anyone();
        let needs = |scheme: &str| json!({ scheme: [scope.as_str()] });
        self.value["security"] = json!([needs("certificate"), needs("apiKey"), needs("accessToken")]);
        self
    }

    /// The holder of an enrollment token.
    pub(crate) fn by_enrollment_token(mut self) -> Self {
        self.value["security"] = json!([{ "enrollmentToken": [] }]);
        self.refuses(&[NotAuthenticated, TwoSecrets, TokenInvalid])
    }

    /// Another system, by what its hook was configured with.
    pub(crate) fn by_hook(mut self) -> Self {
        self.value["security"] = json!([{ "hookSignature": [] }, { "hookBearer": [] }]);
        self.refuses(&[HookRefused, TwoSecrets, TooManyRequests])
    }

    // -------------------------------------------------------------------------------------------------------- what is sent

    /// For each `{name}` of the path.
    pub(crate) fn in_path(mut self, name: &str, schema: Value, example: &str) -> Self {
        assert!(self.path.contains(&format!("{{{name}}}")), "{}: {name}", self.path);
        self.parameters
            .push(json!({ "name": name, "in": "path", "required": true, "schema": schema, "example": example }));
        self.refuses(&[NotFound])
    }

    /// `sample` has every field and is shown as an example of each.
    pub(crate) fn query<T: Serialize + DeserializeOwned>(mut self, sample: Value) -> Self {
        self.parameters.extend(self.document.schemas.query::<T>(&sample));
        self
    }

    pub(crate) fn header(mut self, name: &str, schema: Value, text: &str) -> Self {
        self.parameters
            .push(json!({ "name": name, "in": "header", "required": false, "schema": schema, "description": text }));
        self
    }

    /// A body of JSON; `sample` has every field, and works as an example.
    pub(crate) fn takes<T: Serialize + DeserializeOwned>(self, sample: Value) -> Self {
        let example = sample.clone();
        self.takes_like::<T>(sample, example)
    }

    /// The same for a type whose fields exclude each other.
    pub(crate) fn takes_like<T: Serialize + DeserializeOwned>(mut self, sample: Value, example: Value) -> Self {
        let read = T::deserialize(&example);
        assert!(read.is_ok(), "{}: the example: {:?}", self.path, read.err());
        let schema = self.document.schemas.of::<T>(Direction::Request, &sample);
        self.content.insert("application/json".into(), json!({ "schema": schema, "example": example }));
        self.refuses(&[BodyTooLarge])
    }

    /// Without a body it is as if every field were left out.
    pub(crate) fn or_nothing(mut self) -> Self {
        self.body = Body::Optional;
        self
    }

    /// Another form of the body.
    pub(crate) fn takes_as(mut self, content_type: &str, media: Value) -> Self {
        self.content.insert(content_type.into(), media);
        self
    }

    // ---------------------------------------------------------------------------------------------------- what is answered

    /// 200 with JSON. `sample` has every field; it is shown as the example.
    pub(crate) fn answers<T: Serialize + DeserializeOwned>(self, sample: Value) -> Self {
        self.answers_with::<T>(200, "Done.", sample, json!({}))
    }

    pub(crate) fn answers_with<T>(mut self, status: u16, text: &str, sample: Value, headers: Value) -> Self
    where
        T: Serialize + DeserializeOwned,
    {
        let schema = self.document.schemas.of::<T>(Direction::Answer, &sample);
        let content = json!({ "application/json": { "schema": schema, "example": sample } });
        let mut all = json!({ "Request-Id": { "$ref": "#/components/headers/Request-Id" } });
        for (name, header) in headers.as_object().into_iter().flatten() {
            all[name] = header.clone();
        }
        self.answers.insert(status.to_string(), json!({ "description": text, "headers": all, "content": content }));
        self
    }

    /// An answer without a body.
    pub(crate) fn answers_nothing(mut self, status: u16, text: &str) -> Self {
        let headers = json!({ "Request-Id": { "$ref": "#/components/headers/Request-Id" } });
        self.answers.insert(status.to_string(), json!({ "description": text, "headers": headers }));
        self
    }

    /// Another form of the answer with this status, or one of its own.
    pub(crate) fn answers_as(mut self, status: u16, text: &str, content_type: &str, schema: Value) -> Self {
        let headers = json!({ "Request-Id": { "$ref": "#/components/headers/Request-Id" } });
        let fresh = json!({ "description": text, "headers": headers, "content": {} });
        let answer = self.answers.entry(status.to_string()).or_insert(fresh);
        answer["content"][content_type] = json!({ "schema": schema });
        self
    }

    /// A document that caches keep: validators and ranges.
    pub(crate) fn answers_document(mut self, content_type: &str, schema: Value) -> Self {
        self = self.answers_as(200, "The document.", content_type, schema.clone());
        self = self.answers_as(206, "A range of it.", content_type, json!({}));
        for status in ["200", "206"] {
            self.answers[status]["headers"]["ETag"] = json!({ "$ref": "#/components/headers/ETag" });
        }
        self.answers.insert("304".into(), json!({ "description": "It is the one that If-None-Match names." }));
        let beyond = json!({ "description": "The range lies behind its end.", "content": { content_type: {} } });
        self.answers.insert("416".into(), beyond);
        self
    }

    /// Refusals beyond those that follow from who asks and what is sent.
    pub(crate) fn refuses(mut self, codes: &[ErrorCode]) -> Self {
        self.codes.extend(codes.iter().filter(|code| !self.codes.contains(code)).copied().collect::<Vec<_>>());
        self
    }

    pub(crate) fn done(mut self) {
        let named = self.parameters.iter().filter(|p| p["in"] == "path").count();
        assert_eq!(named, self.path.matches('{').count(), "{}: a parameter of the path is not described", self.path);
        let is_good = |status: &String| status.starts_with('2') || status == "101";
        assert!(self.answers.keys().any(is_good), "{}: no answer", self.path);
        for code in ErrorCode::ALL.iter().filter(|code| self.codes.contains(code)) {
            let refusal = refusal(code.status());
            let answer = self.answers.entry(code.status().to_string()).or_insert_with(|| refusal.clone());
            if answer["content"].get(PROBLEM).is_none() {
                answer["content"][PROBLEM] = refusal["content"][PROBLEM].clone();
            }
            add(answer, *code);
            if self.refusals == Refusals::Both {
                answer["content"]["application/json"] = answer["content"][PROBLEM].clone();
            }
        }
        if !self.parameters.is_empty() {
            self.value["parameters"] = self.parameters.into();
        }
        if !self.content.is_empty() {
            self.value["requestBody"] = json!({ "required": self.body == Body::Required, "content": self.content });
        }
        self.value["responses"] = self.answers.into();
        let known = self.document.paths.entry(self.path).or_default().insert(self.method, self.value);
        assert!(known.is_none(), "{} {} is described twice", self.method, self.path);
    }
}

/// A problem document of this status, without codes yet.
fn refusal(status: u16) -> Value {
    let mut headers = json!({ "Request-Id": { "$ref": "#/components/headers/Request-Id" } });
    if matches!(status, 429 | 503) {
        headers["Retry-After"] = json!({ "$ref": "#/components/headers/Retry-After" });
    }
    if status == 401 {
        headers["WWW-Authenticate"] = json!({ "$ref": "#/components/headers/WWW-Authenticate" });
    }
    let narrowed = json!({ "properties": { "status": { "const": status }, "code": { "enum": [] } } });
    let schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Problem" }, narrowed] });
    json!({ "description": "", "headers": headers, "content": { PROBLEM: { "schema": schema } } })
}

fn add(refusal: &mut Value, code: ErrorCode) {
    let text = refusal["description"].as_str().unwrap_or_default();
    let line = format!("`{}`: {}", code.as_str(), code.sentence());
    refusal["description"] = if text.is_empty() { line } else { format!("{text}\n\n{line}") }.into();
    let content = &mut refusal["content"][PROBLEM]["schema"]["allOf"][1];
    content["properties"]["code"]["enum"].as_array_mut().expect("made by `refusal`").push(code.as_str().into());
}

const PROBLEM: &str = "application/problem+json";

/// By the second part of the path; the first has everything else of `/v1`.
fn tag(path: &str) -> &'static str {
    let area = match path.strip_prefix("/v1/") {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        // What OAuth has at fixed addresses.
        None => "oauth",
    };
    TAGS.iter().map(|(tag, _)| *tag).find(|tag| *tag == area).unwrap_or(TAGS[0].0)
}

pub(crate) const TAGS: &[(&str, &str)] = &[
    ("identity", "Devices and services: enroll, renew, recover."),
    ("apikeys", "What somebody does with API keys of their own."),
    ("trust", "What verifiers configure. Public."),
    ("events", "Revocations as they happen."),
    ("services", "Services register where they are, and what belongs to them."),
    ("hooks", "Other systems ask for what they may."),
    ("oauth", "Access tokens for services that do not read certificates."),
    ("authz", "Whether somebody may do something, asked by registered services."),
    ("admin", "For administrators, and whoever has the permission."),
];

/// What may be wrong with a client certificate.
const IDENTITY: &[ErrorCode] = &[
    NotAuthenticated,
    DeviceSuspended,
    DeviceRevoked,
    CertificateRevoked,
    IssuerDistrusted,
    CertificateSuperseded,
    CertificateUnknown,
    AccountSuspended,
    AccountRevoked,
    StoreUnavailable,
];

/// What may be wrong with an API key, and with one beside a certificate.
const SECRET: &[ErrorCode] = &[
    TwoSecrets,
    CredentialInvalid,
    CredentialExpired,
    CredentialRevoked,
    CredentialDisabled,
    CredentialConstraint,
    CredentialMismatch,
    TooManyRequests,
];

/// What may be wrong with a request for a certificate, and what may keep the service from making it.
pub(crate) const ISSUING: &[ErrorCode] =
    &[InvalidArgument, CsrRefused, KeyRefused, Conflict, StoreUnavailable, SignerUnavailable, ClockRefused];
