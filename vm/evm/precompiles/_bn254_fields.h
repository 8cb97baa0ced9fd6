/* The fields of alt_bn128, for _bn254.c alone: the prime field in Montgomery form, limbs lowest first, and the usual tower over it:
   i^2 = -1, v^3 = 9 + i, w^2 = v. None of this is secret: branches are free. */
#include <stdlib.h>
#include <string.h>
#include "_native.h"

__extension__ typedef unsigned __int128 wide;
typedef uint64_t fp[4];
typedef struct { fp a, b; } fp2; /* a + b i */
typedef struct { fp2 a, b, c; } fp6;
typedef struct { fp6 a, b; } fp12;

static const fp P = {0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029};
static const fp P_LESS_2 = {0x3c208c16d87cfd45, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029};
static const fp P_SIXTH = {0x34b017592414d4e1, 0xee9591c2e6bda1c2, 0xf40d60f3c0403964, 0x0810b7bdd032f006};
static const uint64_t X = 0x44e992b44a6909f1;             /* the parameter of the curve */
static const uint64_t NEGATIVE_INVERSE = 0x87d20782e4866389; /* -1 / P modulo 2^64 */

static fp one, square_of_r;       /* 2^256 and 2^512 modulo P */
static fp2 twist_b, gamma_[6];    /* 3 / (9 + i); (9 + i)^(k (P - 1) / 6) */
static fp half;

/* the prime field */

static int is_zero(const fp a) { return !(a[0] | a[1] | a[2] | a[3]); }

static int at_least_p(const fp a)
{
    for (int i = 3; i >= 0; i--)
        if (a[i] != P[i])
            return a[i] > P[i];
    return 1;
}

static void less_p(fp r)
{
    wide borrow = 0;
    for (int i = 0; i < 4; i++) {
        wide d = (wide)r[i] - P[i] - borrow;
        r[i] = (uint64_t)d;
        borrow = (d >> 64) & 1;
    }
}

static void add(fp r, const fp a, const fp b)
{
    wide carry = 0;
    for (int i = 0; i < 4; i++) {
        carry += (wide)a[i] + b[i];
        r[i] = (uint64_t)carry;
        carry >>= 64;
    }
    if (at_least_p(r))
        less_p(r);
}

static void sub(fp r, const fp a, const fp b)
{
    wide borrow = 0, carry = 0;
    for (int i = 0; i < 4; i++) {
        wide d = (wide)a[i] - b[i] - borrow;
        r[i] = (uint64_t)d;
        borrow = (d >> 64) & 1;
    }
    if (borrow)
        for (int i = 0; i < 4; i++) {
            carry += (wide)r[i] + P[i];
            r[i] = (uint64_t)carry;
            carry >>= 64;
        }
}

static void negate(fp r, const fp a)
{
    static const fp zero;
    sub(r, zero, a);
}

static void mul(fp r, const fp a, const fp b)
{
    uint64_t t[5] = {0};
    for (int i = 0; i < 4; i++) {
        wide c = 0;
        for (int j = 0; j < 4; j++) {
            c += (wide)a[j] * b[i] + t[j];
            t[j] = (uint64_t)c;
            c >>= 64;
        }
        t[4] += (uint64_t)c;
        uint64_t m = t[0] * NEGATIVE_INVERSE;
        c = ((wide)m * P[0] + t[0]) >> 64;
        for (int j = 1; j < 4; j++) {
            c += (wide)m * P[j] + t[j];
            t[j - 1] = (uint64_t)c;
            c >>= 64;
        }
        c += t[4];
        t[3] = (uint64_t)c;
        t[4] = (uint64_t)(c >> 64);
    }
    memcpy(r, t, sizeof(fp));
    if (t[4] || at_least_p(r))
        less_p(r);
}

static void invert(fp r, const fp a)
{
    fp total;
    memcpy(total, one, sizeof(fp));
    for (int i = 253; i >= 0; i--) {
        mul(total, total, total);
        if (P_LESS_2[i >> 6] >> (i & 63) & 1)
            mul(total, total, a);
    }
    memcpy(r, total, sizeof(fp));
}

static void read(fp r, const uint8_t *bytes)
{
    fp plain;
    for (int i = 0; i < 4; i++) {
        plain[3 - i] = 0;
        for (int k = 0; k < 8; k++)
            plain[3 - i] = plain[3 - i] << 8 | bytes[8 * i + k];
    }
    mul(r, plain, square_of_r);
}

static void write(uint8_t *bytes, const fp a)
{
    static const fp plain_one = {1};
    fp plain;
    mul(plain, a, plain_one);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(plain[3 - i / 8] >> (56 - 8 * (i & 7)));
}

/* the quadratic extension */

static void add2(fp2 *r, const fp2 *x, const fp2 *y) { add(r->a, x->a, y->a), add(r->b, x->b, y->b); }
static void sub2(fp2 *r, const fp2 *x, const fp2 *y) { sub(r->a, x->a, y->a), sub(r->b, x->b, y->b); }
static void double2(fp2 *r, const fp2 *x) { add2(r, x, x); }
static void negate2(fp2 *r, const fp2 *x) { negate(r->a, x->a), negate(r->b, x->b); }
static void scale2(fp2 *r, const fp2 *x, const fp k) { mul(r->a, x->a, k), mul(r->b, x->b, k); }
static int is_zero2(const fp2 *x) { return is_zero(x->a) && is_zero(x->b); }
static int equal2(const fp2 *x, const fp2 *y) { return !memcmp(x, y, sizeof(fp2)); }

static void conjugate2(fp2 *r, const fp2 *x)
{
    memcpy(r->a, x->a, sizeof(fp));
    negate(r->b, x->b);
}

static void mul2(fp2 *r, const fp2 *x, const fp2 *y)
{
    fp aa, bb, s, t;
    mul(aa, x->a, y->a), mul(bb, x->b, y->b);
    add(s, x->a, x->b), add(t, y->a, y->b);
    mul(s, s, t);
    sub(s, s, aa), sub(r->b, s, bb);
    sub(r->a, aa, bb);
}

static void square2(fp2 *r, const fp2 *x)
{
    fp s, d, ab;
    add(s, x->a, x->b), sub(d, x->a, x->b);
    mul(ab, x->a, x->b);
    mul(r->a, s, d);
    add(r->b, ab, ab);
}

static void by_xi(fp2 *r, const fp2 *x) /* times 9 + i */
{
    fp2 t;
    double2(&t, x), double2(&t, &t), double2(&t, &t), add2(&t, &t, x);
    fp a;
    sub(a, t.a, x->b);
    add(r->b, t.b, x->a);
    memcpy(r->a, a, sizeof(fp));
}

static void invert2(fp2 *r, const fp2 *x)
{
    fp s, t;
    mul(s, x->a, x->a), mul(t, x->b, x->b);
    add(s, s, t);
    invert(s, s);
    mul(r->a, x->a, s);
    negate(s, s);
    mul(r->b, x->b, s);
}

/* the sixth and the twelfth extension */

static void add6(fp6 *r, const fp6 *x, const fp6 *y)
{
    add2(&r->a, &x->a, &y->a), add2(&r->b, &x->b, &y->b), add2(&r->c, &x->c, &y->c);
}

static void sub6(fp6 *r, const fp6 *x, const fp6 *y)
{
    sub2(&r->a, &x->a, &y->a), sub2(&r->b, &x->b, &y->b), sub2(&r->c, &x->c, &y->c);
}

static void by_v(fp6 *r, const fp6 *x)
{
    fp2 c = x->c;
    r->c = x->b, r->b = x->a;
    by_xi(&r->a, &c);
}

static void mul6(fp6 *r, const fp6 *x, const fp6 *y)
{
    fp2 aa, bb, cc, s, t, ra, rb;
    mul2(&aa, &x->a, &y->a), mul2(&bb, &x->b, &y->b), mul2(&cc, &x->c, &y->c);
    add2(&s, &x->b, &x->c), add2(&t, &y->b, &y->c), mul2(&s, &s, &t);
    sub2(&s, &s, &bb), sub2(&s, &s, &cc), by_xi(&s, &s), add2(&ra, &s, &aa);
    add2(&s, &x->a, &x->b), add2(&t, &y->a, &y->b), mul2(&s, &s, &t);
    sub2(&s, &s, &aa), sub2(&s, &s, &bb), by_xi(&t, &cc), add2(&rb, &s, &t);
    add2(&s, &x->a, &x->c), add2(&t, &y->a, &y->c), mul2(&s, &s, &t);
    sub2(&s, &s, &aa), sub2(&s, &s, &cc), add2(&r->c, &s, &bb);
    r->a = ra, r->b = rb;
}

static void invert6(fp6 *r, const fp6 *x)
{
    fp2 a, b, c, s, t;
    square2(&a, &x->a), mul2(&s, &x->b, &x->c), by_xi(&s, &s), sub2(&a, &a, &s);
    square2(&b, &x->c), by_xi(&b, &b), mul2(&s, &x->a, &x->b), sub2(&b, &b, &s);
    square2(&c, &x->b), mul2(&s, &x->a, &x->c), sub2(&c, &c, &s);
    mul2(&s, &x->c, &b), mul2(&t, &x->b, &c), add2(&s, &s, &t), by_xi(&s, &s);
    mul2(&t, &x->a, &a), add2(&s, &s, &t);
    invert2(&s, &s);
    mul2(&r->a, &a, &s), mul2(&r->b, &b, &s), mul2(&r->c, &c, &s);
}

static void mul12(fp12 *r, const fp12 *x, const fp12 *y)
{
    fp6 aa, bb, s, t;
    mul6(&aa, &x->a, &y->a), mul6(&bb, &x->b, &y->b);
    add6(&s, &x->a, &x->b), add6(&t, &y->a, &y->b), mul6(&s, &s, &t);
    sub6(&s, &s, &aa), sub6(&r->b, &s, &bb);
    by_v(&bb, &bb), add6(&r->a, &aa, &bb);
}

static void square12(fp12 *r, const fp12 *x)
{
    fp6 ab, s, t;
    mul6(&ab, &x->a, &x->b);
    add6(&s, &x->a, &x->b), by_v(&t, &x->b), add6(&t, &t, &x->a), mul6(&s, &s, &t);
    sub6(&s, &s, &ab), by_v(&t, &ab), sub6(&r->a, &s, &t);
    add6(&r->b, &ab, &ab);
}

static void conjugate12(fp12 *r, const fp12 *x) /* to the power of P^6 */
{
    static const fp6 zero;
    r->a = x->a;
    sub6(&r->b, &zero, &x->b);
}

static void invert12(fp12 *r, const fp12 *x)
{
    fp6 s, t;
    mul6(&s, &x->a, &x->a), mul6(&t, &x->b, &x->b), by_v(&t, &t), sub6(&s, &s, &t);
    invert6(&s, &s);
    conjugate12(r, x);
    mul6(&r->a, &r->a, &s), mul6(&r->b, &r->b, &s);
}

static void frobenius12(fp12 *r, const fp12 *x, int power) /* to the power of P^power */
{
    *r = *x;
    fp2 *parts[6] = {&r->a.a, &r->b.a, &r->a.b, &r->b.b, &r->a.c, &r->b.c}; /* by powers of w */
    while (power--)
        for (int k = 0; k < 6; k++) {
            conjugate2(parts[k], parts[k]);
            mul2(parts[k], parts[k], &gamma_[k]);
        }
}

static void power12(fp12 *r, const fp12 *x) /* to the power of the curve's parameter */
{
    fp12 base = *x, total = *x;
    for (int i = 61; i >= 0; i--) {
        square12(&total, &total);
        if (X >> i & 1)
            mul12(&total, &total, &base);
    }
    *r = total;
}
