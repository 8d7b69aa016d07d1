//! sockeye beside its peers, in one run and one table. See the README of this folder.

mod count;
mod decode;
mod encode;
mod floor;
mod keys;
mod payload;
mod sample;
mod scenario;
mod tape;
mod worker;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: count::Counting = count::Counting;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["worker", scenario, subject, ms] => {
            let scenario = &scenario::all()[scenario.parse::<usize>().expect("a number")];
            let time = Duration::from_millis(ms.parse().expect("milliseconds"));
            println!("{}", worker::run(scenario, subject, time).encode());
        }
        ["count", scenario, subject] => {
            let scenario = &scenario::all()[scenario.parse::<usize>().expect("a number")];
            println!("{}", worker::count(scenario, subject));
        }
        _ => {
            for (n, scenario) in scenario::all().iter().enumerate() {
                println!("{n} {}", scenario.name);
            }
        }
    }
}

/// What a future over a transport in memory gives: it never has to wait.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("memory does not make one wait"),
    }
}
