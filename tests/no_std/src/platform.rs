//! What a standard library would bring: Linux on x86-64, and nothing below it.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

// The kernel leaves the stack aligned as before a call; Rust wants it as after one.
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "and rsp, -16",
    "call {run}",
    "ud2",
    run = sym run,
);

// What the compiler takes for granted, from libc as a rule: moving, filling and
// comparing bytes. Written in Rust, they would be compiled into calls of themselves.
global_asm!(
    ".globl memcpy",
    "memcpy:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    ".globl memmove",
    "memmove:",
    "mov rcx, rdi",
    "sub rcx, rsi",
    "cmp rcx, rdx",
    "jae memcpy", // the destination does not begin inside the source
    "mov rax, rdi",
    "mov rcx, rdx",
    "lea rdi, [rdi + rdx - 1]",
    "lea rsi, [rsi + rdx - 1]",
    "std",
    "rep movsb",
    "cld",
    "ret",
    ".globl memset",
    "memset:",
    "mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret",
    ".globl memcmp",
    "memcmp:",
    ".globl bcmp",
    "bcmp:",
    "xor eax, eax",
    "mov rcx, rdx",
    "test rcx, rcx",
    "jz 2f",
    "repe cmpsb",
    "movzx eax, byte ptr [rdi - 1]",
    "movzx ecx, byte ptr [rsi - 1]",
    "sub eax, ecx",
    "2:",
    "ret",
    // Named by the standard allocator crate, which was built to unwind; this
    // program is not.
    ".globl rust_eh_personality",
    "rust_eh_personality:",
    "ud2",
);

extern "C" fn run() -> ! {
    exit(crate::main())
}

fn exit(code: u8) -> ! {
    // SAFETY: exit_group takes no pointer and does not come back.
    unsafe {
        asm!("syscall", in("rax") 231, in("rdi") u64::from(code), options(noreturn, nostack));
    }
}

/// The standard error stream.
struct Stderr;

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: write reads `text` alone; a system call clobbers rcx and r11.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") 1_u64 => _,
                in("rdi") 2,
                in("rsi") text.as_ptr(),
                in("rdx") text.len(),
                out("rcx") _,
                out("r11") _,
                options(nostack, readonly),
            );
        }
        Ok(())
    }
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Stderr, "{info}");
    exit(101)
}

/// Gives memory from the front of one block, and takes back only the latest.
struct Bump {
    block: UnsafeCell<[u8; SIZE]>,
    used: AtomicUsize,
}

const SIZE: usize = 1 << 20;

#[global_allocator]
static MEMORY: Bump = Bump {
    block: UnsafeCell::new([0; SIZE]),
    used: AtomicUsize::new(0),
};

// SAFETY: the program has one thread.
unsafe impl Sync for Bump {}

// SAFETY: every layout gets bytes that no other one has: between the old `used`
// and the new, aligned and within the block.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.block.get() as usize;
        let free = base + self.used.load(Ordering::Relaxed);
        let start = free.next_multiple_of(layout.align()) - base;
        match start.checked_add(layout.size()) {
            Some(end) if end <= SIZE => {
                self.used.store(end, Ordering::Relaxed);
                self.block.get().cast::<u8>().wrapping_add(start)
            }
            _ => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let start = at as usize - self.block.get() as usize;
        if start + layout.size() == self.used.load(Ordering::Relaxed) {
            self.used.store(start, Ordering::Relaxed);
        }
    }
}
