/* Starts a program on the Cortex-M4 of QEMU's board mps2-an386: vectors, the floating-point unit, then newlib. */
#include <stdint.h>

extern void _start(void);

void reset_handler(void)
{
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm volatile("dsb\n\tisb");
    _start();
}

__attribute__((section(".vectors"), used)) const uintptr_t vectors[2] = {0x20100000u, (uintptr_t)reset_handler};
