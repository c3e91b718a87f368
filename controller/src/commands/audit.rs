//! `controller audit`: what was asked of a machine, checked, and compared with what it said last time.

use clap::Args;
use jiff::Timestamp;
use protocol::chain::{Follower, Link, claimed_number};
use protocol::requests::audit::{self, Records};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::caller::Caller;
use crate::client::Client;
use crate::completion;
use crate::desk::Desk;
use crate::error::{Failure, Trouble};
use crate::exit::Exit;
use crate::output::Show;
use crate::output::human::{at_offset, milliseconds};
use crate::output::table::columns;
use crate::receipts::Receipt;

/// As many as fit a screen or two.
const USUAL: u64 = 50;

/// A hostile agent could send for ever.
const MAX_RECORDS: u64 = 100_000;
const MAX_BYTES: usize = 64 << 20;

/// What was asked of a machine, checked, and compared with what it said last time.
#[derive(Debug, Args)]
pub struct Audit {
    /// A name, an address, or either with :PORT.
    #[arg(add = completion::hosts())]
    pub host: String,
    /// The newest so many records [default: 50].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=MAX_RECORDS))]
    pub last: Option<u64>,
    /// From the record with this number on, at most 100000 of them.
    #[arg(long, value_name = "NUMBER", conflicts_with = "last")]
    pub since: Option<u64>,
    /// Print the lines as they stand in the log: `agent audit verify FILE` can check them again.
    #[arg(long)]
    pub raw: bool,
}

impl Audit {
    /// Asks, checks, shows, and notes what was seen.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        desk.demand_form_of_one()?;
        let mut client = Caller::at(desk)?.meet(&self.host).await?;
        let name = client.greeted().peer.identity.name.clone();
        let noted = Receipt::load(&desk.home, &name)?;
        let receipt = match &noted {
            None => Standing::None,
            Some(noted) => self.compare(&mut client, desk, noted).await?,
        };
        let log = self.fetch(&mut client, desk, receipt).await?;
        if self.raw {
            desk.print(&String::from_utf8_lossy(&log.lines))?;
        } else {
            desk.show(&self.host, &log)?;
        }
        if let Some(last) = log.last.filter(|last| noted.is_none_or(|noted| last.n > noted.n)) {
            Receipt { n: last.n, hash: last.hash, seen: Timestamp::now() }.save(&desk.home, &name)?;
        }
        Ok(Exit::Answered)
    }

    fn words(&self) -> audit::Audit {
        match self.since {
            Some(since) => audit::Audit { since: Some(since), count: Some(MAX_RECORDS), last: None },
            None => audit::Audit { last: Some(self.last.unwrap_or(USUAL)), ..audit::Audit::default() },
        }
    }

    /// Whether the record that was noted last time is still there.
    async fn compare(&self, client: &mut Client, desk: &Desk, noted: &Receipt) -> Result<Standing, Failure> {
        let ask = audit::Audit { since: Some(noted.n), count: Some(1), last: None };
        let id = client.start(&ask).await?;
        let mut standing = None;
        while let Some(records) = client.next::<audit::Audit>(id, desk.timeout).await? {
            standing.get_or_insert(noted.stands_in(&records));
        }
        let standing = standing.ok_or_else(|| self.broken("the agent says nothing of its records"))?;
        standing.map_err(|what| {
            let receipt = Receipt::file(&desk.home, &client.greeted().peer.identity.name);
            Failure::log_not_as_noted(&self.host, &what, noted.seen, &receipt)
        })
    }

    async fn fetch(&self, client: &mut Client, desk: &Desk, receipt: Standing) -> Result<Log, Failure> {
        let (ask, mut chain, mut log) = (self.words(), Follower::default(), Log::of(receipt));
        let id = client.start(&ask).await?;
        while let Some(records) = client.next::<audit::Audit>(id, desk.timeout).await? {
            log.take(&mut chain, &records).map_err(|flaw| self.broken(&flaw))?;
        }
        log.last = chain.last();
        let ends_at = log.last.map_or(0, |last| last.n);
        if ask.last.is_some() && ends_at != log.newest {
            return Err(
                self.broken(&format!("it ends with record {ends_at}, and the newest is {}", log.newest))
            );
        }
        Ok(log)
    }

    fn broken(&self, flaw: &str) -> Failure {
        Failure::broken_log(&self.host, flaw)
    }
}

/// What became of the record that was seen last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// None was seen yet.
    None,
    /// It is there as it was.
    Fits,
    /// It is so old that the agent has deleted it.
    Deleted,
}

impl Receipt {
    /// What became of the noted record, from an answer that should hold it alone.
    fn stands_in(&self, records: &Records) -> Result<Standing, String> {
        if records.newest < self.n {
            return Err(format!(
                "its newest record is {}, and there was a record {}",
                records.newest, self.n
            ));
        }
        if records.oldest > self.n {
            return Ok(Standing::Deleted);
        }
        let line = records.lines.strip_suffix(b"\n").unwrap_or(&records.lines);
        match Link::read(line) {
            Some(link) if (link.n, link.hash) == (self.n, self.hash) => Ok(Standing::Fits),
            _ => Err(format!("record {} is not the one that was there", self.n)),
        }
    }
}

/// Records in order.
#[derive(Debug, Serialize)]
struct Log {
    oldest: u64,
    newest: u64,
    receipt: Standing,
    records: Vec<Value>,
    #[serde(skip)]
    lines: Vec<u8>,
    #[serde(skip)]
    last: Option<Link>,
}

impl Log {
    fn of(receipt: Standing) -> Log {
        Log { oldest: 0, newest: 0, receipt, records: Vec::new(), lines: Vec::new(), last: None }
    }

    fn take(&mut self, chain: &mut Follower, records: &Records) -> Result<(), String> {
        (self.oldest, self.newest) = (records.oldest, records.newest);
        let lines = records.lines.split_inclusive(|byte| *byte == b'\n');
        for line in lines {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let due = chain.last().map(|last| last.n.saturating_add(1));
            let number = due.or(claimed_number(line)).unwrap_or_default();
            // Records are plain text, and one that is not must not reach a terminal.
            if !line.iter().all(|byte| (b' '..=b'~').contains(byte)) {
                return Err(format!("record {number}: it is not plain text"));
            }
            chain.follow(line).map_err(|flaw| format!("record {number}: {flaw}"))?;
            self.records.push(serde_json::from_slice(line).map_err(|error| error.to_string())?);
        }
        self.lines.extend_from_slice(&records.lines);
        match self.lines.len() > MAX_BYTES || self.records.len() as u64 > MAX_RECORDS {
            true => Err("the agent sends more than was asked".to_owned()),
            false => Ok(()),
        }
    }
}

/// What a record says, as far as a table shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    n: u64,
    at: Timestamp,
    event: String,
    identity: Option<String>,
    address: Option<String>,
    request: Option<String>,
    with: Option<Value>,
    payload: Option<Payload>,
    outcome: Option<String>,
    kind: Option<String>,
    items: Option<u64>,
    took_seconds: Option<f64>,
    count: Option<u64>,
    why: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    bytes: u64,
}

impl Row {
    fn cells(self) -> Vec<String> {
        let what = match (&self.request, self.event.as_str()) {
            (Some(request), _) => request.clone(),
            (None, event) => event.to_owned(),
        };
        let more = [
            self.with.map(|with| with.to_string()),
            self.payload.map(|payload| format!("{} bytes", payload.bytes)),
            self.count.map(|count| format!("{count} times")),
            self.why,
        ];
        let what = [Some(what)].into_iter().chain(more).flatten().collect::<Vec<_>>().join(" ");
        let more = [self.outcome, self.kind, self.items.map(|items| format!("items: {items}"))];
        let identity = self.identity.unwrap_or_default();
        vec![
            self.n.to_string(),
            at_offset(self.at, 0, "%Y-%m-%d %H:%M:%S"),
            identity.strip_prefix("rollcall://").unwrap_or(&identity).to_owned(),
            self.address.unwrap_or_default(),
            what,
            more.into_iter().flatten().collect::<Vec<_>>().join(", "),
            self.took_seconds.map(milliseconds).unwrap_or_default(),
        ]
    }
}

impl Show for Log {
    const SCHEMA: &'static str = "rollcall.audit/1";

    fn table(&self, _: &str) -> String {
        let row = |record: &Value| Row::deserialize(record).unwrap_or_default().cells();
        let rows: Vec<Vec<String>> = self.records.iter().map(row).collect();
        let head = ["record", "time (UTC)", "who", "from", "what", "outcome", "took"];
        let mut text = columns(Some(&head), &rows, &[0, 6]);
        let (oldest, newest, count) = (self.oldest, self.newest, rows.len());
        text += &format!("records: {count}, each in order; the log has {oldest} to {newest}\n");
        text += match self.receipt {
            Standing::None => "noted the newest: from now on it shows when this log is cut\n",
            Standing::Fits => "the record that was noted last time is still there\n",
            Standing::Deleted => "the record that was noted last time is so old that it was deleted\n",
        };
        text
    }
}
