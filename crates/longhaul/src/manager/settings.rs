//! What counts for the whole list, and what for one lane of it. All of it is recorded, and can be changed while
//! transfers run.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Settings of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// So many entries run at once; 0: none.
    pub most: u32,
    /// So many entries of one server run at once.
    pub most_of_host: u32,
    /// Bytes per second of all downloads together; 0: no limit.
    pub limit_rate: u64,
    /// Bytes per second of all uploads together; 0: no limit.
    pub limit_upload_rate: u64,
    /// So many bytes of each volume stay free.
    pub spare: u64,
    /// An entry fails when it has waited so long, in milliseconds, for the network or a server without a byte.
    pub patience_ms: u64,
    /// So many entries that are over stay in the list, the newest.
    pub history: u32,
    /// Where downloads go that name no folder.
    pub folder: Option<PathBuf>,
    /// How entries are transferred that do not say it themselves.
    pub connections: Option<u32>,
    /// Bytes per second of each entry that has no limit of its own; 0: no limit.
    pub limit_rate_each: u64,
    /// The `User-Agent` of entries without one; `None`: the client's.
    pub user_agent: Option<String>,
    /// Lanes that have limits of their own.
    pub lanes: BTreeMap<String, Lane>,
}

impl Default for Settings {
    /// Four at once, as many of one server, 1 GiB stays free, 14 days of patience, the last 10,000 that are over.
    fn default() -> Self {
        Self {
            most: 4,
            most_of_host: 4,
            limit_rate: 0,
            limit_upload_rate: 0,
            spare: 1 << 30,
            patience_ms: 14 * 24 * 3_600_000,
            history: 10_000,
            folder: None,
            connections: None,
            limit_rate_each: 0,
            user_agent: None,
            lanes: BTreeMap::new(),
        }
    }
}

/// Limits of one lane. They count beside those of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lane {
    /// So many of its entries run at once; `None`: as many as of all.
    pub most: Option<u32>,
    /// Bytes per second of its entries together; 0: no limit.
    pub limit_rate: u64,
    /// When it runs, and how fast then: `Mon-Fri 08:00,1M 18:00,off 23:00,stop`. `None`: always.
    pub timetable: Option<String>,
}
