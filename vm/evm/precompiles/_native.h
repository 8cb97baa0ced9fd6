/* The arithmetic behind the C extension of the precompiles. It knows no gas and no encoding but big-endian numbers. */
#ifndef CHAINYARD_PRECOMPILES_H
#define CHAINYARD_PRECOMPILES_H

#include <stddef.h>
#include <stdint.h>

/* _blake2.c: 213 bytes as EIP-152 has them, to a state of 64 */
void blake2_compress(uint8_t out[64], const uint8_t data[213]);

/* _bn254.c: points are coordinates of 32 bytes each, on the curve and not at infinity; a twist's imaginary parts come first */
void bn254_init(void);
int bn254_multiply(uint8_t out[64], const uint8_t point[64], const uint8_t factor[32]); /* 0: the point at infinity */
int bn254_in_subgroup(const uint8_t twist_point[128]);
int bn254_pairing_check(const uint8_t *pairs, size_t count); /* pairs of 64 + 128 bytes; -1: no memory */

#endif
