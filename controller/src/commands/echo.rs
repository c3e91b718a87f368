//! `controller echo`: the same bytes back, and a check that they are the same.

use std::io::{self, Read, Write};

use bytes::Bytes;
use clap::Args;
use protocol::requests::echo::{self, MAX_PAYLOAD};
use serde::Serialize;

use crate::caller::Caller;
use crate::client::Client;
use crate::completion;
use crate::desk::Desk;
use crate::error::{Failure, Trouble};
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which};
use crate::output::Show;

/// Send bytes and get the same bytes back.
#[derive(Debug, Args)]
pub struct Echo {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`; joined by commas.
    #[arg(add = completion::hosts())]
    pub hosts: String,
    /// What to send; `-` sends the bytes of standard input, at most 60 KiB.
    pub text: String,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

/// What came back.
#[derive(Debug, Serialize)]
struct Returned {
    bytes: usize,
    /// Absent when the bytes are not text.
    text: Option<String>,
}

impl Echo {
    /// Sends, compares, and prints what came back.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let payload = if self.text == "-" { standard_input()? } else { Bytes::from(self.text.clone()) };
        if payload.len() > MAX_PAYLOAD {
            let what = format!("an echo carries at most {MAX_PAYLOAD} bytes, and these are more");
            return Err(Trouble::Here(what, "send less".to_owned()));
        }
        if self.text == "-" && desk.is_text() {
            // Any bytes, and not one more.
            let echoed = exchange(&mut Caller::at(desk)?.meet(&self.hosts).await?, &payload).await?;
            let mut stdout = io::stdout().lock();
            stdout.write_all(&echoed).and_then(|()| stdout.flush()).map_err(Trouble::Stdout)?;
            return Ok(Exit::Answered);
        }
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        let asks = async |client: &mut Client| {
            let echoed = exchange(client, &payload).await?;
            Ok(Returned { bytes: echoed.len(), text: str::from_utf8(&echoed).ok().map(str::to_owned) })
        };
        fleet.ask(std::slice::from_ref(&self.hosts), asks).await
    }
}

async fn exchange(client: &mut Client, payload: &Bytes) -> Result<Bytes, Failure> {
    let echoed = client.ask(echo::Echo { payload: payload.clone() }).await?.payload;
    if echoed != payload {
        return Err(Failure::changed_echo(&client.greeted().host.label, payload.len(), echoed.len()));
    }
    Ok(echoed)
}

fn standard_input() -> Result<Bytes, Trouble> {
    let mut bytes = Vec::new();
    let limit = MAX_PAYLOAD as u64 + 1;
    let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Trouble::Here(format!("cannot read standard input: {error}"), String::new()))?;
    Ok(bytes.into())
}

impl Show for Returned {
    const SCHEMA: &'static str = "rollcall.echo/1";

    fn table(&self, _: &str) -> String {
        // These are the person's own words, compared with what was sent: they are safe to print as they are.
        format!("{}\n", self.text.as_deref().unwrap_or_default())
    }
}
