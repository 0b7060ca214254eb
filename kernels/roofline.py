#!/usr/bin/env python3
"""Counts what one step of an ascent launches on a GPU, and predicts how long it takes. Nothing is measured.

    kernels/roofline.py             the tables of kernels/README.md
    kernels/roofline.py --kernels   what each kernel and the products add up to
    kernels/roofline.py --predict NAME TYPE BATCH MEMORY SINGLE TENSOR
                                    milliseconds of a step, for a benchmark that has measured the three rates
    kernels/roofline.py --launches NAME TYPE    how often a step of a small network launches each kernel, for a test

Each of them with --cudnn is for a build with that feature: a launch of cuDNN moves field, filters and result once.

It goes through the networks as src/encoder/{resnet,vit,program}.rs do, forward and back, with the launches of
src/ops/*/cuda.rs. A launch takes the longest of three: its bytes at the memory's rate, each array once; its
operations at the arithmetic's rate; and a floor. Launches follow each other, and nothing else costs time.
"""
import collections
import sys

# An H100 SXM as NVIDIA describes it. Bytes and operations a second; seconds a launch.
MEMORY, SINGLE, TENSOR, FLOOR = 3.35e12, 67e12, 989e12, 3e-6
SIZES = {"f32": 4, "f16": 2, "bf16": 2}
# src/ops/conv/cuda/choice.rs
WINOGRAD_POSITIONS, WINOGRAD_CHANNELS, NARROW_PATCHES_CHANNELS = 144, 32, 128

Extent = collections.namedtuple("Extent", "n h w c")
Launch = collections.namedtuple("Launch", "name bytes operations rate")


def rows(x):
    return x.n * x.h * x.w


def count(x):
    return rows(x) * x.c


def mask(x):
    return 4 * rows(x) * -(-x.c // 32)


def pooled(x):
    return Extent(x.n, x.h // 2, x.w // 2, x.c)


class Gpu:
    """Notes the launches; `e` is the size of an activation."""

    def __init__(self, kind, has_cudnn):
        self.e, self.tensor, self.launches = SIZES[kind], TENSOR if kind != "f32" else SINGLE, []
        self.has_cudnn = has_cudnn and kind != "f32"

    def kernel(self, name, size, operations):
        self.launches.append(Launch(name, size, operations, SINGLE))

    def product(self, m, k, n, times=1, single=False, same_a=False, same_b=False, keep=False):
        """c (m, n) = a (m, k) . b (k, n); of a stride 0 a matrix is read once."""
        e, rate = (4, SINGLE) if single else (self.e, self.tensor)
        a, b, c = m * k * (1 if same_a else times), k * n * (1 if same_b else times), m * n * times
        self.launches.append(Launch("cuBLAS", e * (a + b + (2 if keep else 1) * c), 2 * m * k * n * times, rate))

    # src/ops/relu/cuda.rs
    def finish(self, y, bias, add, relu):
        if bias or add or relu:
            size = self.e * count(y) * (3 if add else 2) + (mask(y) if relu else 0) + (4 * y.c if bias else 0)
            self.kernel("epilogue_fwd", size, 3 * count(y))

    def finish_pooled(self, x):
        y = pooled(x)
        self.kernel("epilogue_pool_fwd", self.e * (count(x) + count(y)) + mask(x) + 4 * x.c, 3 * count(x))
        return y

    def finish_back(self, dx, add, gate):
        if add or gate:
            size = self.e * count(dx) * (3 if add else 2) + (mask(dx) if gate else 0)
            self.kernel("epilogue_bwd", size, 2 * count(dx))

    def copy(self, x):
        self.kernel("copy", 2 * self.e * count(x), 0)


class Linear:
    def __init__(self, inputs, outputs, bias=True):
        self.inputs, self.outputs, self.bias = inputs, outputs, bias

    def forward(self, gpu, x, add=False, relu=False):
        y = x._replace(c=self.outputs)
        gpu.product(rows(x), self.inputs, self.outputs)
        gpu.finish(y, self.bias, add, relu)
        return y

    def forward_pooled(self, gpu, x):
        gpu.product(rows(x), self.inputs, self.outputs)
        return gpu.finish_pooled(x._replace(c=self.outputs))

    def back(self, gpu, dy, _from, add=False, gate=False):
        dx = dy._replace(c=self.inputs)
        gpu.product(rows(dy), self.outputs, self.inputs)
        gpu.finish_back(dx, add, gate)
        return dx


class Patches:
    """Gathered for a product, or by cuDNN on the way."""

    def __init__(self, inputs, outputs, k, stride, padding):
        self.linear = Linear(k * k * inputs, outputs)
        self.k, self.stride, self.padding = k, stride, padding

    def rows(self, x):
        def side(size):
            return (size + 2 * self.padding - self.k) // self.stride + 1

        return Extent(x.n, side(x.h), side(x.w), self.linear.inputs)

    def goes_through_cudnn(self, gpu):
        return gpu.has_cudnn and self.k > self.stride

    def convolve(self, gpu, x):
        r, outputs = self.rows(x), self.linear.outputs
        size = gpu.e * (count(x) + r.c * outputs + rows(r) * outputs)
        gpu.launches.append(Launch("cuDNN", size, 2 * count(r) * outputs, gpu.tensor))
        return r._replace(c=outputs)

    def gather(self, gpu, x):
        r = self.rows(x)
        gpu.kernel("patches_fwd", gpu.e * (count(x) + count(r)), 0)
        return r

    def forward(self, gpu, x, add=False, relu=False):
        if self.goes_through_cudnn(gpu):
            y = self.convolve(gpu, x)
            gpu.finish(y, True, add, relu)
            return y
        return self.linear.forward(gpu, self.gather(gpu, x), add, relu)

    def forward_pooled(self, gpu, x):
        if self.goes_through_cudnn(gpu):
            return gpu.finish_pooled(self.convolve(gpu, x))
        return self.linear.forward_pooled(gpu, self.gather(gpu, x))

    def back(self, gpu, dy, x, add=False, gate=False):
        if self.goes_through_cudnn(gpu):
            self.convolve(gpu, x)
        else:
            r = self.linear.back(gpu, dy, None)
            gpu.kernel("patches_bwd", gpu.e * (count(x) + count(r)), count(r))
        gpu.finish_back(x, add, gate)
        return x


class Spatial:
    """3x3 of stride 1: Winograd's filtering, or patches, or cuDNN."""

    def __init__(self, inputs, outputs):
        self.inputs, self.outputs, self.patches = inputs, outputs, Patches(inputs, outputs, 3, 1, 1)

    def goes_without_winograd(self, gpu, x):
        return gpu.has_cudnn or x.h * x.w < WINOGRAD_POSITIONS or (gpu.e < 4 and self.inputs >= NARROW_PATCHES_CHANNELS)

    def products(self, gpu, x, outputs):
        tiles = x.n * -(-x.h // 4) * -(-x.w // 4)
        gpu.kernel("winograd_input_fwd", gpu.e * count(x) + 4 * 36 * tiles * x.c, 144 * tiles * x.c)
        gpu.product(tiles, x.c, outputs, 36, single=True)
        return tiles, x._replace(c=outputs)

    def filter(self, gpu, x, outputs, bias, add, made, gate):
        tiles, y = self.products(gpu, x, outputs)
        size = 4 * 36 * tiles * outputs + gpu.e * count(y) * (2 if add else 1) + (4 * outputs if bias else 0)
        gpu.kernel("winograd_output_fwd", size + mask(y) * (made + gate), 100 * tiles * outputs)
        return y

    def forward(self, gpu, x, add=False, relu=False):
        if self.goes_without_winograd(gpu, x):
            return self.patches.forward(gpu, x, add, relu)
        return self.filter(gpu, x, self.outputs, True, add, relu, False)

    def forward_pooled(self, gpu, x):
        if self.goes_without_winograd(gpu, x):
            return self.patches.forward_pooled(gpu, x)
        tiles, full = self.products(gpu, x, self.outputs)
        y = pooled(full)
        size = 4 * 36 * tiles * self.outputs + gpu.e * count(y) + 4 * self.outputs + mask(full)
        gpu.kernel("winograd_pool_fwd", size, 100 * tiles * self.outputs)
        return y

    def back(self, gpu, dy, x, add=False, gate=False):
        if self.goes_without_winograd(gpu, x):
            return self.patches.back(gpu, dy, x, add, gate)
        return self.filter(gpu, dy, self.inputs, False, add, False, gate)


AFFINE = (Linear, Patches, Spatial)


def conv(inputs, outputs, k, stride, padding):
    if (k, stride) == (1, 1):
        return Linear(inputs, outputs)
    if (k, stride, padding) == (3, 1, 1) and inputs >= WINOGRAD_CHANNELS:
        return Spatial(inputs, outputs)
    return Patches(inputs, outputs, k, stride, padding)


class Pool:
    def forward(self, gpu, x):
        y = pooled(x)
        gpu.kernel("pool_fwd", gpu.e * (count(x) + count(y)), count(x))
        return y

    def back(self, gpu, dy, x, add, gate):
        size = gpu.e * (count(x) * (2 if add else 1) + count(dy)) + (mask(x) if gate else 0)
        gpu.kernel("pool_bwd", size, 2 * count(x))


class LayerNorm:
    def forward(self, gpu, x):
        gpu.kernel("layer_norm_fwd", gpu.e * 2 * count(x) + 8 * rows(x) + 8 * x.c, 8 * count(x))
        return x

    def back(self, gpu, dy, x):
        gpu.kernel("layer_norm_bwd", gpu.e * 3 * count(x) + 8 * rows(x) + 4 * x.c, 14 * count(x))


class QuickGelu:
    def forward(self, gpu, x):
        gpu.kernel("quick_gelu_fwd", gpu.e * 2 * count(x), 12 * count(x))
        return x

    def back(self, gpu, dy, x):
        gpu.kernel("quick_gelu_bwd", gpu.e * 3 * count(x), 16 * count(x))


class Tokens:
    def forward(self, gpu, x):
        y = Extent(x.n, x.h * x.w + 1, 1, x.c)
        gpu.kernel("class_tokens_fwd", gpu.e * (count(x) + count(y)) + 4 * count(y) // y.n, count(y))
        return y

    def back(self, gpu, dy, x):
        gpu.kernel("class_tokens_bwd", gpu.e * 2 * count(x), 0)


class SelfAttention:
    def __init__(self, width, heads):
        self.projection, self.heads, self.head = Linear(width, 3 * width), heads, width // heads

    def forward(self, gpu, x):
        batch, t, head = x.n * self.heads, x.h * x.w, self.head
        wide = self.projection.forward(gpu, x)
        gpu.kernel("heads_fwd", gpu.e * 2 * count(wide), 0)
        gpu.product(t, head, t, batch)
        gpu.kernel("softmax_fwd", gpu.e * 2 * batch * t * t, 10 * batch * t * t)
        gpu.product(t, t, head, batch)
        gpu.kernel("heads_bwd", gpu.e * 2 * count(x), 0)
        return x

    def back(self, gpu, dy, x):
        batch, t, head = x.n * self.heads, x.h * x.w, self.head
        wide = x._replace(c=3 * x.c)
        gpu.kernel("heads_fwd", gpu.e * 2 * count(x), 0)
        gpu.product(t, t, head, batch)
        gpu.product(t, head, t, batch)
        gpu.kernel("softmax_bwd", gpu.e * 3 * batch * t * t, 5 * batch * t * t)
        gpu.product(t, t, head, batch)
        gpu.product(t, t, head, batch)
        gpu.kernel("heads_bwd", gpu.e * 2 * count(wide), 0)
        self.projection.back(gpu, wide, None)


class Program:
    """src/encoder/program.rs: steps (what, input, added input), each makes the next value; the image is 0."""

    def __init__(self):
        self.steps = []

    def push(self, what, x, add=None):
        self.steps.append((what, x, add))
        return len(self.steps)

    def run(self, gpu, image, tap):
        """Forward to the tap, which is read after its step, and back."""
        steps = self.steps[:tap]
        readers = [[i for i, s in enumerate(steps) if v in s[1:]] for v in range(tap + 1)]
        extents = [image]

        def next_only(i):
            return i + 1 < tap and readers[i + 1] == [i + 1]

        while len(extents) <= tap:
            i = len(extents) - 1
            what, x, add = steps[i]
            y = extents[x]
            if what == "relu":
                gpu.finish(y, False, False, True)
                extents.append(y)
            elif what == "sum":
                gpu.copy(y)
                gpu.finish_back(y, True, False)
                extents.append(y)
            elif isinstance(what, AFFINE):
                rectified = next_only(i) and steps[i + 1][0] == "relu"
                if rectified and add is None and next_only(i + 1) and isinstance(steps[i + 2][0], Pool):
                    y = what.forward_pooled(gpu, y)
                    full = Extent(y.n, extents[x].h, extents[x].w, y.c)
                    extents += [full, full, y]
                else:
                    y = what.forward(gpu, y, add is not None, rectified)
                    extents += [y, y] if rectified else [y]
            else:
                extents.append(what.forward(gpu, y))
        term(gpu, extents[tap])
        self.back(gpu, steps, readers, extents, tap)

    def back(self, gpu, steps, readers, extents, tap):
        flowing, gated = [None] * (tap + 1), [False] * (tap + 1)
        flowing[tap] = object()

        def add_to(value, cotangent):
            if flowing[value] is None:
                flowing[value] = cotangent
                return
            if sum(other is flowing[value] for other in flowing) > 1:
                gpu.copy(extents[value])
                flowing[value] = object()
            gpu.finish_back(extents[value], True, False)

        for i in range(tap - 1, -1, -1):
            what, x, add = steps[i]
            dy, flowing[i + 1] = flowing[i + 1], None
            if dy is None:
                continue
            if what == "relu":
                if not gated[i + 1]:
                    gpu.finish_back(extents[x], False, True)
                add_to(x, dy)
                continue
            if what == "sum":
                add_to(x, dy)
                add_to(add, dy)
                continue
            if add is not None:
                add_to(add, dy)
            so_far = flowing[x] is not None
            gate = x > 0 and steps[x - 1][0] == "relu" and readers[x][0] == i
            if isinstance(what, (*AFFINE, Pool)):
                what.back(gpu, extents[i + 1], extents[x], so_far, gate)
            else:
                what.back(gpu, extents[i + 1], extents[x])
                if so_far:
                    gpu.finish_back(extents[x], True, False)
                if gate:
                    gpu.finish_back(extents[x], False, True)
            flowing[x], gated[x] = object(), gate


def resnet(width, blocks, tap):
    """To `layer4.{tap}.sum`."""
    program, x = Program(), 0
    for inputs, outputs, stride in [(3, width // 2, 2), (width // 2, width // 2, 1), (width // 2, width, 1)]:
        x = program.push("relu", program.push(conv(inputs, outputs, 3, stride, 1), x))
    x, channels = program.push(Pool(), x), width
    for stage, number in enumerate(blocks):
        middle = width << stage
        for block in range(number):
            halves = stage > 0 and block == 0
            y = program.push("relu", program.push(conv(channels, middle, 1, 1, 0), x))
            y = program.push("relu", program.push(conv(middle, middle, 3, 1, 1), y))
            y = program.push(Pool(), y) if halves else y
            identity = x
            if halves or channels != 4 * middle:
                identity = program.push(Pool(), x) if halves else x
                identity = program.push(conv(channels, 4 * middle, 1, 1, 0), identity)
            total = program.push(conv(middle, 4 * middle, 1, 1, 0), y, identity)
            if stage == 3 and block == tap:
                return program, total
            x, channels = program.push("relu", total), 4 * middle


def vit(width, heads, patch, tap):
    """To `blocks.{tap}.mlp`."""
    program = Program()
    x = program.push(conv(3, width, patch, patch, 0), 0)
    x = program.push(LayerNorm(), program.push(Tokens(), x))
    for block in range(tap + 1):
        y = program.push(SelfAttention(width, heads), program.push(LayerNorm(), x))
        x = program.push("sum", x, program.push(Linear(width, width), y))
        y = program.push(Linear(width, 4 * width), program.push(LayerNorm(), x))
        hidden = program.push(QuickGelu(), y)
        if block == tap:
            return program, hidden
        x = program.push(Linear(4 * width, width), hidden, x)


def synthesis(gpu, n, side):
    columns, planes = side // 2 + 1, 3 * n
    gpu.kernel("synthesis_spectrum_fwd", 16 * planes * side * columns, 2 * planes * side * columns)
    gpu.product(2 * side, 2 * side, columns, planes, single=True, same_a=True)
    gpu.product(side, columns, side, planes, single=True, same_b=True)
    gpu.product(side, columns, side, planes, single=True, same_b=True, keep=True)
    gpu.kernel("synthesis_colour_fwd", 24 * n * side * side, 50 * n * side * side)


def synthesis_back(gpu, n, side):
    columns, planes = side // 2 + 1, 3 * n
    gpu.kernel("synthesis_colour_bwd", 36 * n * side * side, 27 * n * side * side)
    for _ in range(2):
        gpu.product(side, side, columns, planes, single=True, same_b=True)
    gpu.product(2 * side, 2 * side, columns, planes, single=True, same_a=True)
    gpu.kernel("synthesis_spectrum_bwd", 16 * planes * side * columns, 2 * planes * side * columns)


def term(gpu, tap):
    """One unit's term an image; its value a row."""
    gpu.kernel("reduce_terms_bwd", gpu.e * count(tap) + 4 * rows(tap), rows(tap))
    gpu.kernel("reduce_values_fwd", 4 * rows(tap), rows(tap))


def step(network, side, n, kind, has_cudnn):
    gpu, (program, tap) = Gpu(kind, has_cudnn), network
    pixels, columns = n * side * side, side // 2 + 1
    synthesis(gpu, n, side)
    gpu.kernel("warp_fwd", (12 + 3 * gpu.e) * pixels, 60 * pixels)
    program.run(gpu, Extent(n, side, side, 3), tap)
    gpu.kernel("warp_bwd", (12 + 3 * gpu.e) * pixels, 400 * pixels)
    gpu.kernel("reduce_norm_fwd", 12 * pixels, 6 * pixels)
    synthesis_back(gpu, n, side)
    gpu.kernel("adam_fwd", 28 * 6 * n * side * columns, 14 * 6 * n * side * columns)
    return gpu.launches


def seconds(launch, floor=FLOOR):
    return max(launch.bytes / MEMORY, launch.operations / launch.rate, floor)


NETWORKS = [
    ("RN50, 224, layer4.2.sum", resnet(64, [3, 4, 6, 3], 2), 224),
    ("RN50x4, 288, layer4.5.sum", resnet(80, [4, 6, 10, 6], 5), 288),
    ("ViT-B/32, 224, blocks.10.mlp", vit(768, 12, 32, 10), 224),
]


# Of tests/fixtures, and the embedded model; the taps that `percept render` takes by default.
SMALL = {
    "rn": (resnet(4, [1, 2, 1, 1], 0), 64),
    "vit": (vit(128, 2, 16, 0), 64),
    "mini": (resnet(24, [1, 2, 3, 1], 0), 64),
}


# Of benches/cuda.rs, by its names.
TIMED = {
    "RN50": NETWORKS[0][1:],
    "RN50x4": NETWORKS[1][1:],
    "ViT-B/32": NETWORKS[2][1:],
    "a small ResNet": (resnet(32, [1, 2, 1, 1], 0), 64),
    "a small ViT": (vit(128, 2, 16, 1), 64),
}


def predict(has_cudnn, name, kind, n, memory, single, tensor):
    """Milliseconds of a step at rates that were measured."""
    launches = step(*TIMED[name], int(n), kind, has_cudnn)
    rates = {SINGLE: float(single), TENSOR: float(tensor)}
    return 1e3 * sum(max(l.bytes / float(memory), l.operations / rates[l.rate], FLOOR) for l in launches)


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--cudnn"]
    has_cudnn = "--cudnn" in sys.argv
    if "--predict" in arguments:
        print(predict(has_cudnn, *arguments[1:]))
        return
    if "--launches" in arguments:
        _, name, kind = arguments
        names = collections.Counter(launch.name for launch in step(*SMALL[name], 1, kind, has_cudnn))
        print("\n".join(f"{name} {times}" for name, times in sorted(names.items())))
        return
    print("| network | type | batch | kernels | libraries | GB | GFLOP | predicted ms | of it at the floor, ms | "
          "without a floor, ms | images a second |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, network, side in NETWORKS:
        for kind in ["f32", "bf16"]:
            for n in [1, 32]:
                launches = step(network, side, n, kind, has_cudnn)
                products = sum(launch.name in ("cuBLAS", "cuDNN") for launch in launches)
                total = sum(map(seconds, launches))
                floor = sum(FLOOR for launch in launches if seconds(launch) == FLOOR)
                print(f"| {name} | {kind} | {n} | {len(launches) - products} | {products} "
                      f"| {sum(launch.bytes for launch in launches) / 1e9:.2f} "
                      f"| {sum(launch.operations for launch in launches) / 1e9:.0f} "
                      f"| {1e3 * total:.2f} | {1e3 * floor:.2f} "
                      f"| {1e3 * sum(seconds(launch, 0) for launch in launches):.2f} | {n / total:.0f} |")
                if "--kernels" in arguments:
                    of_name = collections.defaultdict(lambda: [0, 0.0])
                    for launch in launches:
                        of_name[launch.name][0] += 1
                        of_name[launch.name][1] += 1e3 * seconds(launch)
                    for kernel, (times, ms) in sorted(of_name.items(), key=lambda item: -item[1][1]):
                        print(f"    {kernel:24} {times:4} {ms:9.3f} ms")


if __name__ == "__main__":
    main()
