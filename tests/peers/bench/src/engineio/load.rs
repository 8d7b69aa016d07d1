//! The load on a server of Engine.IO: all sessions send at once, and again when
//! all replies are there. Requests and frames are built beforehand.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::wire::{Wire, wrong};
use crate::load::Generator;
use crate::payload::push_frame;
use crate::scenario::{Does, Sessions};

pub struct Load {
    port: u16,
    does: Does,
    websockets: Vec<Wire>,
    polling: Vec<Poller>,
    /// What each WebSocket sends and gets.
    frames: Vec<u8>,
    replies: Vec<u8>,
    /// What comes back by polling.
    body: Vec<u8>,
    in_flight: usize,
    /// How long the last word of each upgrade took.
    latencies: Vec<f64>,
}

/// A session that polls: one connection for each of its requests.
pub struct Poller {
    gets: Wire,
    posts: Wire,
    sid: String,
    get: Vec<u8>,
    post: Vec<u8>,
}

impl Load {
    /// Opens the sessions.
    pub fn new(sessions: &Sessions, port: u16) -> io::Result<Self> {
        let Sessions {
            does,
            sessions,
            payload,
            in_flight,
        } = *sessions;
        let packet = [b"4", &payload.bytes()[..]].concat();
        let packets = vec![&packet[..]; in_flight];
        let mut load = Self {
            port,
            does,
            websockets: Vec::new(),
            polling: Vec::new(),
            frames: masked(&packets),
            replies: plain(&packets),
            body: packets.join(&0x1e),
            in_flight,
            latencies: Vec::new(),
        };
        let (websockets, polling) = match does {
            Does::WebSocket => (sessions, 0),
            Does::Polling => (0, sessions),
            Does::Upgrade => (0, 0),
            Does::Broadcast => (sessions / 2, sessions - sessions / 2),
        };
        for _ in 0..websockets {
            load.websockets.push(websocket(port, None)?);
        }
        for _ in 0..polling {
            load.polling.push(Poller::open(port, &load.body)?);
        }
        sleep(AT_ONCE);
        load.websockets.iter_mut().try_for_each(settle)?;
        load.polling.iter_mut().try_for_each(Poller::settle)?;
        if does == Does::Broadcast {
            load.get()?;
        }
        Ok(load)
    }

    fn get(&mut self) -> io::Result<()> {
        self.polling.iter_mut().try_for_each(Poller::get)
    }

    fn post(&mut self) -> io::Result<()> {
        self.polling.iter_mut().try_for_each(Poller::post)?;
        let mut all = self.polling.iter_mut();
        all.try_for_each(Poller::posted)
    }

    fn got(&mut self) -> io::Result<()> {
        let mut all = self.polling.iter_mut();
        all.try_for_each(|poller| poller.gets.expect_body(&self.body))
    }

    /// Sends everywhere, and returns how many messages came back.
    fn round(&mut self) -> io::Result<u64> {
        match self.does {
            Does::WebSocket => {
                let mut all = self.websockets.iter_mut();
                all.try_for_each(|wire| wire.write(&self.frames))?;
                let mut all = self.websockets.iter_mut();
                all.try_for_each(|wire| wire.expect(&self.replies))?;
                Ok((self.websockets.len() * self.in_flight) as u64)
            }
            Does::Polling => {
                // Where there is one message, the GET waits for it. The first of
                // several would end that wait, and leave the others to the next.
                if self.in_flight == 1 {
                    self.get()?;
                    self.post()?;
                } else {
                    self.post()?;
                    self.get()?;
                }
                self.got()?;
                Ok((self.polling.len() * self.in_flight) as u64)
            }
            Does::Broadcast => {
                self.websockets[0].write(&self.frames)?;
                let mut all = self.websockets.iter_mut();
                all.try_for_each(|wire| wire.expect(&self.replies))?;
                self.got()?;
                self.get()?;
                Ok((self.websockets.len() + self.polling.len()) as u64)
            }
            Does::Upgrade => self.upgrade().map(|()| 1),
        }
    }

    /// Opens a session, upgrades it as the usual client does, and closes it.
    fn upgrade(&mut self) -> io::Result<()> {
        let mut poller = Poller::open(self.port, &self.body)?;
        sleep(AT_ONCE);
        poller.settle()?;
        poller.get()?;
        let mut websocket = websocket(self.port, Some(&poller))?;
        let began = Instant::now();
        websocket.write(&masked(&[b"2probe"]))?;
        websocket.expect(&plain(&[b"3probe"]))?;
        // Only when polling rests does the client go over.
        poller.gets.expect_body(b"6")?;
        let mut last = masked(&[b"5"]);
        last.extend(&self.frames);
        websocket.write(&last)?;
        websocket.expect(&self.replies)?;
        self.latencies.push(began.elapsed().as_nanos() as f64);
        websocket.write(&masked(&[b"1"]))
    }
}

impl Generator for Load {
    fn run_for(&mut self, time: Duration) -> io::Result<u64> {
        self.latencies.clear();
        let began = Instant::now();
        let mut messages = 0;
        while messages == 0 || began.elapsed() < time {
            messages += self.round()?;
        }
        Ok(messages)
    }

    fn run_some(&mut self) -> io::Result<u64> {
        let least = match self.does {
            Does::Upgrade => 40,
            _ => 2000,
        };
        let mut messages = 0;
        while messages < least {
            messages += self.round()?;
        }
        Ok(messages)
    }

    fn latency(&self) -> Option<f64> {
        let all = &self.latencies;
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }
}

impl Poller {
    /// Opens a session; `body` is what it will send.
    pub fn open(port: u16, body: &[u8]) -> io::Result<Self> {
        let mut gets = Wire::connect(port)?;
        gets.write(&request("GET", "polling", "", ""))?;
        let open = gets.response()?;
        let open = String::from_utf8_lossy(&open).into_owned();
        let sid = open.split("\"sid\":\"").nth(1);
        let sid = sid.and_then(|rest| rest.split('"').next());
        let sid = format!("&sid={}", sid.ok_or_else(|| wrong(&open))?);
        Ok(Self {
            gets,
            posts: Wire::connect(port)?,
            get: request("GET", "polling", &sid, ""),
            post: post(&sid, body),
            sid,
        })
    }

    /// Answers the ping of a server that sends one as soon as a session is open.
    pub fn settle(&mut self) -> io::Result<()> {
        self.say(HELLO)?;
        let mut is_there = false;
        while !is_there {
            self.get()?;
            for packet in self.gets.response()?.split(|&byte| byte == 0x1e) {
                match packet {
                    b"2" => self.say(b"3")?,
                    HELLO => is_there = true,
                    _ => return Err(wrong("not the echo")),
                }
            }
        }
        Ok(())
    }

    fn say(&mut self, packet: &[u8]) -> io::Result<()> {
        self.posts.write(&post(&self.sid, packet))?;
        self.posted()
    }

    pub fn get(&mut self) -> io::Result<()> {
        self.gets.write(&self.get)
    }

    fn post(&mut self) -> io::Result<()> {
        self.posts.write(&self.post)
    }

    fn posted(&mut self) -> io::Result<()> {
        match self.posts.response()?.eq_ignore_ascii_case(b"ok") {
            true => Ok(()),
            false => Err(wrong("not the answer to a POST")),
        }
    }

    /// The connection of its GETs alone.
    pub fn into_gets(self) -> Wire {
        self.gets
    }
}

/// A WebSocket that opens a session, or upgrades that of a poller.
pub fn websocket(port: u16, of: Option<&Poller>) -> io::Result<Wire> {
    let mut wire = Wire::connect(port)?;
    let sid = of.map_or("", |poller| &poller.sid);
    let fields = "Upgrade: websocket\r\n\
                  Connection: Upgrade\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                  Sec-WebSocket-Version: 13\r\n";
    wire.write(&request("GET", "websocket", sid, fields))?;
    wire.head("101")?;
    if of.is_none() {
        let open = wire.frame()?;
        if !open.starts_with(b"0{") {
            return Err(wrong("not an open packet"));
        }
    }
    Ok(wire)
}

/// As for a session that polls.
pub fn settle(wire: &mut Wire) -> io::Result<()> {
    wire.write(&masked(&[HELLO]))?;
    loop {
        match &wire.frame()?[..] {
            b"2" => wire.write(&masked(&[b"3"]))?,
            HELLO => return Ok(()),
            _ => return Err(wrong("not the echo")),
        }
    }
}

/// So long after it was opened a session has been pinged, if it is at once.
pub const AT_ONCE: Duration = Duration::from_millis(20);

const HELLO: &[u8] = b"4hello";

fn post(sid: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let fields = format!("Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {len}\r\n");
    let mut post = request("POST", "polling", sid, &fields);
    post.extend_from_slice(body);
    post
}

fn request(method: &str, transport: &str, sid: &str, fields: &str) -> Vec<u8> {
    let request = format!(
        "{method} /engine.io/?EIO=4&transport={transport}{sid} HTTP/1.1\r\n\
         Host: 127.0.0.1\r\n\
         User-Agent: bench\r\n\
         Accept: */*\r\n\
         {fields}\r\n"
    );
    request.into_bytes()
}

/// Packets of text in frames of a client.
fn masked(packets: &[&[u8]]) -> Vec<u8> {
    frames(Some([7, 5, 3, 1]), packets)
}

/// Packets of text in frames of a server.
fn plain(packets: &[&[u8]]) -> Vec<u8> {
    frames(None, packets)
}

fn frames(key: Option<[u8; 4]>, packets: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in packets {
        push_frame(0x81, key, packet, &mut out);
    }
    out
}
