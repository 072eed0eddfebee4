//! How fast may what runs be? A limit for all downloads, one for all uploads, one for each lane within these: changed
//! while transfers run.

use std::collections::HashMap;

use super::settings::Settings;
use crate::client::{Client, RateLane};
use crate::transfer::TransferKind;

/// The limits of one way.
#[derive(Debug)]
struct Way {
    all: RateLane,
    lanes: HashMap<String, RateLane>,
}

impl Way {
    fn new(client: &Client) -> Self {
        Self { all: client.rate_lane(0), lanes: HashMap::new() }
    }

    fn lane(&mut self, name: &str) -> RateLane {
        let all = &self.all;
        self.lanes.entry(name.to_owned()).or_insert_with(|| all.lane(0)).clone()
    }

    fn set(&mut self, all: u64, settings: &Settings) {
        self.all.set(all);
        self.lanes.values().for_each(|lane| lane.set(0));
        for (name, of) in &settings.lanes {
            self.lane(name).set(of.limit_rate);
        }
    }
}

/// The limits of the list.
#[derive(Debug)]
pub(super) struct ListRates {
    down: Way,
    up: Way,
}

impl ListRates {
    pub(super) fn new(client: &Client) -> Self {
        Self { down: Way::new(client), up: Way::new(client) }
    }

    /// These settings count from now on.
    pub(super) fn set(&mut self, settings: &Settings) {
        self.down.set(settings.limit_rate, settings);
        self.up.set(settings.limit_upload_rate, settings);
    }

    /// What an entry of this lane obeys.
    pub(super) fn lane(&mut self, kind: TransferKind, name: &str) -> RateLane {
        match kind {
            TransferKind::Upload => self.up.lane(name),
            _ => self.down.lane(name),
        }
    }
}
