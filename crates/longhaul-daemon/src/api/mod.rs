//! The API (`/api/v1`), one file a resource. `docs/openapi.json` describes every route and answer; a test holds the two
//! together. Names are those of `docs/json-events.md`; fields are only ever added.

mod actions;
mod adding;
mod entries;
mod entry;
mod explain;
mod host;
mod input;
mod login;
mod probe;
mod settings;
mod stream;

use std::sync::Arc;

use axum::Router;
use http::StatusCode;

use crate::app::App;
use crate::problem::Problem;

/// A table of routes, as a router and as a list.
macro_rules! routes {
    ($($method:ident $path:literal $handler:path;)*) => {
        /// Each method and path, below `/api/v1`.
        #[cfg(test)]
        const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),*];

        fn routes() -> Router<Arc<App>> {
            Router::new()$(.route($path, axum::routing::$method($handler)))*
        }
    };
}

routes! {
    get "/info" host::info;
    get "/stats" host::stats;
    get "/healthz" host::healthz;
    get "/metrics" host::metrics;
    get "/folders" host::folders;
    post "/shutdown" host::shutdown;
    post "/login" login::log_in;
    post "/codes" login::new_code;
    get "/events" stream::events;
    get "/entries" entries::list;
    post "/entries" entries::add;
    get "/entries/{id}" entry::show;
    patch "/entries/{id}" entry::change;
    delete "/entries/{id}" entry::remove;
    get "/entries/{id}/explain" explain::explain;
    get "/entries/{id}/map" entry::map;
    get "/entries/{id}/events" entry::events;
    post "/entries/{id}/{action}" actions::one;
    post "/batch" actions::batch;
    get "/settings" settings::show;
    put "/settings" settings::change;
    get "/lanes/{name}" settings::lane;
    put "/lanes/{name}" settings::set_lane;
    delete "/lanes/{name}" settings::remove_lane;
    post "/probe" probe::probe;
}

/// All routes, behind the guard.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .nest("/api/v1", routes())
        .route("/metrics", axum::routing::get(host::metrics))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "usage", "this is not asked by this method")
        })
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// Goal: no route is without a description, and none is described that is not there. What is answered is held
    /// against the descriptions in `tests/api`.
    #[test]
    fn every_route_is_described() {
        let document: serde_json::Value = serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                described.insert((method.clone(), path.trim_start_matches("/api/v1").to_owned()));
            }
        }
        described.remove(&("get".to_owned(), "/metrics".to_owned()));
        let mut routes: BTreeSet<_> =
            super::ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
        routes.remove(&("get".to_owned(), "/metrics".to_owned()));
        assert_eq!(described, routes);
    }
}
