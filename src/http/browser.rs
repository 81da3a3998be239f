//! Pages in browsers: which may speak to us, and what is said to all of them. A browser shows the user's certificate for whatever
//! page asks; programs send none of the headers by which pages are known here (RFC 6454 7, Fetch Metadata).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::Next;
use axum::response::IntoResponse;
use signet_api::ErrorCode;

use super::App;
use super::refusal::Refusal;
use crate::config::raw::RawBrowser;

/// What a request says about the page behind it.
enum Page {
    /// No page, or one that gets nothing out of it.
    None,
    /// On the list.
    Listed { origin: HeaderValue, exactly: bool },
    /// It would do something in the user's name.
    Foreign,
}

/// The innermost layer of the TLS listener.
pub(super) async fn guard(State(service): State<App>, request: Request, next: Next) -> Response<Body> {
    let page = Page::of(&service.config.raw.browser, &request);
    let shared = shared(request.uri().path());
    let mut response = match &page {
        Page::Foreign => {
            let told = "no page may do that unless browser.origins lists its origin and the path is one for pages";
            Refusal::told(ErrorCode::Forbidden, told).into_response()
        }
        Page::Listed { .. } if is_preflight(&request) => preflight(shared.unwrap_or_default()),
        Page::Listed { .. } | Page::None => next.run(request).await,
    };
    let headers = response.headers_mut();
    if shared.is_some() {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if let Page::Listed { origin, exactly } = page {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("request-id, retry-after"));
        // What the browser holds for the user is for pages that are named.
        if exactly {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        } else {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
    }
    response
}

/// The outermost layer: nothing here is a page, a script or a frame. There is no HSTS, for it is about a host with all of its
/// ports, and the lists are served by plain HTTP on another.
pub(super) async fn harden(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in ALWAYS {
        response.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
    }
    response
}

impl Page {
    fn of(browser: &RawBrowser, request: &Request) -> Page {
        let headers = request.headers();
        let shared = shared(request.uri().path()).is_some();
        let asks = request.uri().path().starts_with(FORWARDED);
        let reads = asks || matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) if comes_from_elsewhere(headers) && (shared || !reads) => Page::Foreign,
            (None, _) => Page::None,
            (Some(origin), None) if shared => match origin.to_str().ok().filter(|text| browser.allows(text)) {
                Some(text) => Page::Listed {
                    origin: origin.clone(),
                    exactly: browser.origins.iter().any(|listed| listed == text),
                },
                None => Page::Foreign,
            },
            (Some(_), None) if reads => Page::None,
            (Some(_), _) => Page::Foreign,
        }
    }
}

/// Fetch Metadata: browsers send it also where they send no origin, as for images and links.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get_all("sec-fetch-site").iter().any(|site| matches!(site.as_bytes(), b"cross-site" | b"same-site"))
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(methods: &'static str) -> Response<Body> {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, last-event-id, x-api-key"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The methods of a path that pages may use.
fn shared(path: &str) -> Option<&'static str> {
    SHARED.iter().find(|(shared, _)| *shared == path).map(|(_, methods)| *methods)
}

/// A proxy asks here in its own name, with method and headers of the request that it has before it. Nothing is changed by it.
const FORWARDED: &str = "/v1/authz/envoy/";

const SHARED: [(&str, &str); 5] = [
    ("/v1/events", "GET"),
    ("/v1/events/ws", "GET"),
    ("/v1/events/ack", "POST"),
    ("/v1/events/tickets", "POST"),
    ("/v1/whoami", "GET"),
];

const ALWAYS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
