//! A proof by the linker that the entry points below cannot panic.
//!
//! The panic handler calls a function that is defined nowhere. The optimizer
//! removes what cannot be reached; if the handler is still there, the library
//! does not link. It proves this for the code as it is compiled here, with the
//! optimization of a release, and for any input.
#![no_std]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::slice;
use core::time::Duration;

use sockeye::Instant;
use sockeye::http::header;
use sockeye::utf8::Utf8;
use sockeye::websocket::handshake::accept_key;
use sockeye::websocket::{CloseCode, CloseFrame, Expect, Header, MAX_HEADER, Mask, Opcode};

unsafe extern "C" {
    fn this_entry_point_can_panic() -> !;
    fn this_entry_point_can_allocate(size: usize) -> *mut u8;
}

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    // SAFETY: nothing that links ever comes here.
    unsafe { this_entry_point_can_panic() }
}

struct Nowhere;

#[global_allocator]
static NOWHERE: Nowhere = Nowhere;

// SAFETY: nothing that links ever asks for memory.
unsafe impl GlobalAlloc for Nowhere {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { this_entry_point_can_allocate(layout.size()) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

/// Input from outside: any bytes, of any number.
#[repr(C)]
pub struct Bytes {
    at: *mut u8,
    len: usize,
}

impl Bytes {
    fn get(&mut self) -> &mut [u8] {
        // SAFETY: whoever calls an entry point gives bytes that are its own.
        unsafe { slice::from_raw_parts_mut(self.at, self.len) }
    }
}

#[unsafe(no_mangle)]
extern "C" fn header_decode(bytes: &mut Bytes, expect: &Expect) -> u64 {
    match Header::decode(bytes.get(), expect) {
        Ok(Some((header, len))) => header.len ^ len as u64 ^ u64::from(header.opcode.bits()),
        Ok(None) => 1,
        Err(violation) => violation.close_code().get().into(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn header_encode(header: &Header, out: &mut [u8; MAX_HEADER]) -> usize {
    header.encode(out).len()
}

#[unsafe(no_mangle)]
extern "C" fn mask_apply(mask: &mut Mask, bytes: &mut Bytes) {
    mask.apply(bytes.get());
}

#[unsafe(no_mangle)]
extern "C" fn utf8_push(utf8: &mut Utf8, bytes: &mut Bytes) -> usize {
    match utf8.push(bytes.get()) {
        Ok(valid) => valid.body.len() + valid.head.map_or(0, char::len_utf8),
        Err(invalid) => invalid.at,
    }
}

#[unsafe(no_mangle)]
extern "C" fn close_frame_decode(bytes: &mut Bytes) -> usize {
    match CloseFrame::decode(bytes.get()) {
        Ok(Some(frame)) => usize::from(frame.code.get()) + frame.reason.len(),
        Ok(None) => 0,
        Err(violation) => violation.close_code().get().into(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn close_code_new(code: u16) -> u16 {
    CloseCode::new(code).map_or(0, CloseCode::get)
}

#[unsafe(no_mangle)]
extern "C" fn opcode_from_bits(bits: u8) -> u8 {
    Opcode::from_bits(bits).map_or(0xff, Opcode::bits)
}

#[unsafe(no_mangle)]
extern "C" fn handshake_accept_key(key: &mut Bytes, out: &mut [u8; 28]) {
    *out = accept_key(key.get());
}

#[unsafe(no_mangle)]
extern "C" fn header_elements(value: &mut Bytes) -> usize {
    let value = &*value.get();
    let token = usize::from(header::has_token(value, "upgrade"));
    let elements = header::elements(value);
    token
        + elements
            .map(|element| header::trim(element).len())
            .sum::<usize>()
}

#[unsafe(no_mangle)]
extern "C" fn instant_after(now: &mut Instant, secs: u64, nanos: u32) -> u64 {
    let span = Duration::from_secs(secs).saturating_add(Duration::from_nanos(nanos.into()));
    now.after(span).since(*now).subsec_nanos().into()
}

#[cfg(feature = "control")]
#[unsafe(no_mangle)]
extern "C" fn control(bytes: &mut Bytes) -> u8 {
    bytes.get()[3]
}
