/* alt_bn128: products on both groups, and the optimal ate pairing. The fields are in _bn254_fields.h. */
#include "_bn254_fields.h"

typedef struct { fp2 x, y, z; } point; /* Jacobian: x / z^2, y / z^3; z = 0 is infinity */
static const uint64_t SIX_X_SQUARED[2] = {0xf83e9682e87cfd46, 0x6f4d8248eeb859fb};
static const uint64_t LOOP = 0x9d797039be763ba8;          /* 6 x + 2 without its highest bit, the 64th */

/* points of the twist, and of the first group as those with no imaginary part; "2007 Bernstein-Lange" formulas for a = 0 */

static void double_point(point *r, const point *p)
{
    fp2 a, b, c, d, e, f;
    square2(&a, &p->x), square2(&b, &p->y), square2(&c, &b);
    add2(&d, &p->x, &b), square2(&d, &d), sub2(&d, &d, &a), sub2(&d, &d, &c), double2(&d, &d);
    double2(&e, &a), add2(&e, &e, &a), square2(&f, &e);
    mul2(&r->z, &p->y, &p->z), double2(&r->z, &r->z);
    sub2(&r->x, &f, &d), sub2(&r->x, &r->x, &d);
    sub2(&d, &d, &r->x), mul2(&d, &d, &e), double2(&c, &c), double2(&c, &c), double2(&c, &c), sub2(&r->y, &d, &c);
}

static void add_affine(point *r, const point *p, const fp2 *x, const fp2 *y)
{
    fp2 zz, u, s, h, i, j, t, v;
    if (is_zero2(&p->z)) {
        r->x = *x, r->y = *y;
        memset(&r->z, 0, sizeof(fp2));
        memcpy(r->z.a, one, sizeof(fp));
        return;
    }
    square2(&zz, &p->z), mul2(&u, x, &zz), mul2(&s, &p->z, &zz), mul2(&s, &s, y);
    sub2(&h, &u, &p->x), sub2(&t, &s, &p->y);
    if (is_zero2(&h)) {
        if (is_zero2(&t))
            double_point(r, p);
        else
            memset(r, 0, sizeof *r);
        return;
    }
    double2(&t, &t);
    double2(&i, &h), square2(&i, &i), mul2(&j, &h, &i), mul2(&v, &p->x, &i);
    add2(&zz, &p->z, &h), square2(&zz, &zz); /* (z + h)^2 */
    square2(&u, &p->z), sub2(&zz, &zz, &u), square2(&u, &h), sub2(&zz, &zz, &u);
    fp2 old_y = p->y;
    square2(&s, &t), sub2(&s, &s, &j), sub2(&s, &s, &v), sub2(&r->x, &s, &v);
    sub2(&v, &v, &r->x), mul2(&v, &v, &t), mul2(&u, &old_y, &j), double2(&u, &u), sub2(&r->y, &v, &u);
    r->z = zz;
}

static void multiply_point(point *r, const fp2 *x, const fp2 *y, const uint64_t *factor, int bits)
{
    memset(r, 0, sizeof *r);
    for (int i = bits - 1; i >= 0; i--) {
        if (!is_zero2(&r->z))
            double_point(r, r);
        if (factor[i >> 6] >> (i & 63) & 1)
            add_affine(r, r, x, y);
    }
}

static void read_twist(fp2 *x, fp2 *y, const uint8_t *bytes)
{
    read(x->b, bytes), read(x->a, bytes + 32), read(y->b, bytes + 64), read(y->a, bytes + 96);
}

static void twist_frobenius(fp2 *x, fp2 *y)
{
    conjugate2(x, x), mul2(x, x, &gamma_[2]);
    conjugate2(y, y), mul2(y, y, &gamma_[3]);
}

int bn254_multiply(uint8_t out[64], const uint8_t coordinates[64], const uint8_t factor[32])
{
    fp2 x = {{0}, {0}}, y = {{0}, {0}}, t;
    uint64_t limbs[4] = {0};
    point p;
    read(x.a, coordinates), read(y.a, coordinates + 32);
    for (int i = 0; i < 32; i++)
        limbs[3 - i / 8] = limbs[3 - i / 8] << 8 | factor[i];
    multiply_point(&p, &x, &y, limbs, 256);
    if (is_zero2(&p.z))
        return 0;
    invert2(&p.z, &p.z), square2(&t, &p.z);
    mul2(&p.x, &p.x, &t), mul2(&p.y, &p.y, &t), mul2(&p.y, &p.y, &p.z);
    write(out, p.x.a), write(out + 32, p.y.a);
    return 1;
}

int bn254_in_subgroup(const uint8_t twist_point[128])
{
    fp2 x, y, t;
    point p;
    read_twist(&x, &y, twist_point);
    multiply_point(&p, &x, &y, SIX_X_SQUARED, 127);
    if (is_zero2(&p.z))
        return 0;
    twist_frobenius(&x, &y);
    square2(&t, &p.z), mul2(&x, &x, &t), mul2(&t, &t, &p.z), mul2(&y, &y, &t);
    return equal2(&x, &p.x) && equal2(&y, &p.y);
}

/* the pairing; steps in homogeneous coordinates x / z, y / z. Source: Costello, Lange, Naehrig (2010), section 4 */

struct pair {
    fp x, y;          /* of the first group */
    fp2 qx, qy;       /* of the second */
    fp2 tx, ty, tz;   /* the multiple of it so far */
};

static void times_line(fp12 *f, const fp2 *constant, const fp2 *w, const fp2 *w_cubed)
{
    fp12 line;
    memset(&line, 0, sizeof line);
    line.a.a = *constant, line.b.a = *w, line.b.b = *w_cubed;
    mul12(f, f, &line);
}

static void double_step(fp12 *f, struct pair *p)
{
    fp2 a, b, c, e, g, h, i, j, t;
    mul2(&a, &p->tx, &p->ty), scale2(&a, &a, half);
    square2(&b, &p->ty), square2(&c, &p->tz);
    double2(&e, &c), add2(&e, &e, &c), mul2(&e, &e, &twist_b);
    double2(&t, &e), add2(&t, &t, &e); /* t = 3 e */
    add2(&g, &b, &t), scale2(&g, &g, half);
    add2(&h, &p->ty, &p->tz), square2(&h, &h), sub2(&h, &h, &b), sub2(&h, &h, &c);
    sub2(&i, &e, &b), square2(&j, &p->tx);
    sub2(&t, &b, &t), mul2(&p->tx, &a, &t);
    square2(&e, &e), double2(&t, &e), add2(&t, &t, &e), square2(&g, &g), sub2(&p->ty, &g, &t);
    mul2(&p->tz, &b, &h);
    negate2(&h, &h), scale2(&h, &h, p->y);
    double2(&t, &j), add2(&j, &j, &t), scale2(&j, &j, p->x);
    times_line(f, &h, &j, &i);
}

static void add_step(fp12 *f, struct pair *p, const fp2 *x, const fp2 *y)
{
    fp2 o, l, c, d, e, g, h, j, t;
    mul2(&t, y, &p->tz), sub2(&o, &p->ty, &t);
    mul2(&t, x, &p->tz), sub2(&l, &p->tx, &t);
    square2(&c, &o), square2(&d, &l), mul2(&e, &l, &d), mul2(&c, &p->tz, &c), mul2(&g, &p->tx, &d);
    add2(&h, &e, &c), sub2(&h, &h, &g), sub2(&h, &h, &g);
    mul2(&t, &p->ty, &e);
    mul2(&p->tx, &l, &h);
    sub2(&g, &g, &h), mul2(&g, &g, &o), sub2(&p->ty, &g, &t);
    mul2(&p->tz, &e, &p->tz);
    mul2(&t, &l, y), mul2(&j, x, &o), sub2(&j, &j, &t);
    scale2(&l, &l, p->y);
    negate2(&o, &o), scale2(&o, &o, p->x);
    times_line(f, &l, &o, &j);
}

static void final_power(fp12 *f) /* to (P^12 - 1) / order. Source: Scott and others (2009), section 5 */
{
    fp12 a, u, u2, u3, y0, y1, y2, y3, y4, y5, y6, low, high;
    conjugate12(&a, f), invert12(&u, f), mul12(&a, &a, &u);
    frobenius12(&u, &a, 2), mul12(&a, &u, &a);
    power12(&u, &a), power12(&u2, &u), power12(&u3, &u2);
    frobenius12(&y0, &a, 1), frobenius12(&y1, &a, 2), mul12(&y0, &y0, &y1);
    frobenius12(&y1, &a, 3), mul12(&y0, &y0, &y1);
    conjugate12(&y1, &a);
    frobenius12(&y2, &u2, 2);
    frobenius12(&y3, &u, 1), conjugate12(&y3, &y3);
    frobenius12(&y4, &u2, 1), mul12(&y4, &u, &y4), conjugate12(&y4, &y4);
    conjugate12(&y5, &u2);
    frobenius12(&y6, &u3, 1), mul12(&y6, &u3, &y6), conjugate12(&y6, &y6);
    square12(&low, &y6), mul12(&low, &low, &y4), mul12(&low, &low, &y5);
    mul12(&high, &y3, &y5), mul12(&high, &high, &low);
    mul12(&low, &low, &y2);
    square12(&high, &high), mul12(&high, &high, &low);
    square12(&high, &high);
    mul12(&low, &high, &y1), mul12(&high, &high, &y0);
    square12(&low, &low), mul12(f, &low, &high);
}

int bn254_pairing_check(const uint8_t *bytes, size_t count)
{
    struct pair *pairs = malloc((count ? count : 1) * sizeof *pairs);
    if (!pairs)
        return -1;
    fp12 f, unit;
    memset(&f, 0, sizeof f);
    memcpy(f.a.a.a, one, sizeof(fp));
    unit = f;
    for (size_t k = 0; k < count; k++, bytes += 192) {
        struct pair *p = &pairs[k];
        read(p->x, bytes), read(p->y, bytes + 32), read_twist(&p->qx, &p->qy, bytes + 64);
        p->tx = p->qx, p->ty = p->qy;
        memset(&p->tz, 0, sizeof(fp2));
        memcpy(p->tz.a, one, sizeof(fp));
    }
    for (int i = 63; i >= 0; i--) {
        square12(&f, &f);
        for (size_t k = 0; k < count; k++) {
            double_step(&f, &pairs[k]);
            if (LOOP >> i & 1)
                add_step(&f, &pairs[k], &pairs[k].qx, &pairs[k].qy);
        }
    }
    for (size_t k = 0; k < count; k++) {
        fp2 x = pairs[k].qx, y = pairs[k].qy;
        twist_frobenius(&x, &y);
        add_step(&f, &pairs[k], &x, &y);
        twist_frobenius(&x, &y);
        negate2(&y, &y);
        add_step(&f, &pairs[k], &x, &y);
    }
    free(pairs);
    final_power(&f);
    return !memcmp(&f, &unit, sizeof f);
}

void bn254_init(void)
{
    fp2 xi;
    fp t = {1};
    for (int i = 0; i < 512; i++) {
        if (i == 256)
            memcpy(one, t, sizeof(fp));
        add(t, t, t);
    }
    memcpy(square_of_r, t, sizeof(fp));
    add(t, one, one), invert(half, t);
    memset(&xi, 0, sizeof xi);
    memcpy(xi.a, one, sizeof(fp));
    by_xi(&xi, &xi);
    invert2(&twist_b, &xi);
    add(t, one, one), add(t, t, one), scale2(&twist_b, &twist_b, t);
    memset(&gamma_[0], 0, sizeof(fp2));
    memcpy(gamma_[0].a, one, sizeof(fp));
    fp2 power = gamma_[0];
    for (int i = 255; i >= 0; i--) {
        square2(&power, &power);
        if (P_SIXTH[i >> 6] >> (i & 63) & 1)
            mul2(&power, &power, &xi);
    }
    for (int k = 1; k < 6; k++)
        mul2(&gamma_[k], &gamma_[k - 1], &power);
}
