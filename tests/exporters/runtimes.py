"""Exported artefacts run in runtimes of their own: points in, values out."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.browser import FLAGS, chromium

Array = NDArray[Any]


def onnx(data: bytes, points: Array) -> Array:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    (values,) = session.run(["values"], {"points": points})
    return np.asarray(values)


def elsewhere(code: str, folder: Path, *arguments: str) -> None:
    """Run Python in a process that cannot import inr."""
    guard = (
        "import sys\n"
        "class Guard:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('inr', 'inr_cli'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Guard())\n"
    )
    environment = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", guard + code, *arguments],
        cwd=folder, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def browse(page: Path, *flags: str, anchor: str = "", timeout: float = 400) -> str:
    """The page's DOM once it has loaded and its scripts have run."""
    with tempfile.TemporaryDirectory() as profile:
        own = [f"--user-data-dir={profile}", *flags, *([] if flags else ["--dump-dom"])]
        command = [chromium(), *FLAGS, *own, page.as_uri() + anchor]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


_GLSL_PAGE = """<!doctype html><pre id="out"></pre><script>
const jobs = JOBS, results = {};
const floats = s => new Float32Array(Uint8Array.from(atob(s), c => c.charCodeAt(0)).buffer);
const gl = document.createElement("canvas").getContext("webgl2");
gl.getExtension("EXT_color_buffer_float");
function texture(unit, w, h, data) {
  const t = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit); gl.bindTexture(gl.TEXTURE_2D, t);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, w, h, 0, gl.RGBA, gl.FLOAT, data);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  return t;
}
function shader(kind, text) {
  const s = gl.createShader(kind); gl.shaderSource(s, text); gl.compileShader(s);
  if (!gl.getShaderParameter(s, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(s));
  return s;
}
function run(job) {
  const program = gl.createProgram();
  gl.attachShader(program, shader(gl.VERTEX_SHADER, `#version 300 es
    void main() { gl_Position = vec4(vec2((gl_VertexID & 1) * 4 - 1, (gl_VertexID >> 1) * 4 - 1), 0, 1); }`));
  gl.attachShader(program, shader(gl.FRAGMENT_SHADER, job.fragment));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  gl.useProgram(program);
  const n = job.n, points = texture(0, n, 1, floats(job.points));
  gl.uniform1i(gl.getUniformLocation(program, "points"), 0);
  if (job.weights) {
    const w = floats(job.weights);
    texture(1, 2048, w.length / 8192, w);
    gl.uniform1i(gl.getUniformLocation(program, job.name + "_weights"), 1);
  }
  const target = texture(2, n, 1, null);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
  gl.viewport(0, 0, n, 1);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  const out = new Float32Array(4 * n);
  gl.readPixels(0, 0, n, 1, gl.RGBA, gl.FLOAT, out);
  return Array.from(out, v => Number.isFinite(v) ? v : null);
}
for (const [key, job] of Object.entries(jobs)) {
  try { results[key] = run(job); } catch (error) { results[key] = String(error); }
}
document.getElementById("out").textContent = JSON.stringify(results);
</script>"""


def glsl(shaders: Mapping[str, tuple[Mapping[str, bytes], Array, int]], folder: Path) -> dict[str, Array | str]:
    """Values of every shader {suffix: bytes}, at its points [N, D], C numbers each; or the compiler's message."""
    jobs = {}
    for key, (files, points, d_out) in shaders.items():
        n, d_in = points.shape
        padded = np.zeros((n, 4), "<f4")
        padded[:, :d_in] = points
        taken = "texelFetch(points, ivec2(int(gl_FragCoord.x), 0), 0)." + "xyzw"[:d_in]
        call = f"field({taken})"
        given = {1: f"vec4({call}, 0, 0, 0)", 2: f"vec4({call}, 0, 0)", 3: f"vec4({call}, 0)", 4: call}[d_out]
        head = "#version 300 es\nprecision highp float;\nprecision highp int;\nuniform highp sampler2D points;\n"
        fragment = f"{head}out vec4 color;\n{files['.glsl'].decode()}\nvoid main() {{ color = {given}; }}\n"
        jobs[key] = {
            "fragment": fragment,
            "n": n,
            "points": base64.b64encode(padded.tobytes()).decode(),
            "weights": base64.b64encode(files.get(".bin", b"")).decode(),
            "name": "field",
        }
    page = folder / "page.html"
    page.write_text(_GLSL_PAGE.replace("JOBS", json.dumps(jobs).replace("</", "<\\/")))
    dom = browse(page)
    text = dom.split('<pre id="out">')[1].split("</pre>")[0]
    results = json.loads(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    return {
        key: found if isinstance(found, str) else np.array(found, float).reshape(-1, 4)[:, : shaders[key][2]]
        for key, found in results.items()
    }


@cache
def _device() -> Any:
    """A WebGPU device, software if there is no other, or a skip with the reason."""
    try:
        import wgpu

        return wgpu.gpu.request_adapter_sync(power_preference="low-power").request_device_sync()
    except Exception as error:  # noqa: BLE001  absent, without a driver, or without an adapter
        pytest.skip(f"needs the package wgpu and a Vulkan driver (Debian's mesa-vulkan-drivers): {error}")


def is_valid_wgsl(text: str) -> bool:
    """Whether naga accepts the text; it raises its errors."""
    _device().create_shader_module(code=text)
    return True


def wgsl(files: Mapping[str, bytes], points: Array, d_out: int) -> Array:
    """Values of a shader at points [N, D]."""
    device = _device()
    import wgpu

    n, d_in = points.shape
    padded = np.zeros((n, 4), "<f4")
    padded[:, :d_in] = points
    call = f"field(points[i].{'xyzw'[:d_in]})"
    given = {1: f"vec4f({call}, 0, 0, 0)", 2: f"vec4f({call}, 0, 0)", 3: f"vec4f({call}, 0)", 4: call}[d_out]
    code = (
        f"{files['.wgsl'].decode()}\n"
        "@group(1) @binding(0) var<storage, read> points: array<vec4f>;\n"
        "@group(1) @binding(1) var<storage, read_write> values: array<vec4f>;\n"
        "@compute @workgroup_size(32) fn main(@builtin(global_invocation_id) id: vec3u) {\n"
        f"  let i = id.x; if (i < {n}u) {{ values[i] = {given}; }}\n}}\n"
    )
    usage = wgpu.BufferUsage
    module = device.create_shader_module(code=code)
    source = device.create_buffer_with_data(data=padded, usage=usage.STORAGE)
    target = device.create_buffer(size=16 * n, usage=usage.STORAGE | usage.COPY_SRC)
    pipeline = device.create_compute_pipeline(layout="auto", compute={"module": module, "entry_point": "main"})
    encoder = device.create_command_encoder()
    step = encoder.begin_compute_pass()
    step.set_pipeline(pipeline)
    groups = {1: [source, target]}
    if ".bin" in files:
        groups[0] = [device.create_buffer_with_data(data=files[".bin"], usage=usage.STORAGE)]
    for place, buffers in groups.items():
        entries = [
            {"binding": i, "resource": {"buffer": b, "offset": 0, "size": b.size}} for i, b in enumerate(buffers)
        ]
        layout = pipeline.get_bind_group_layout(place)
        step.set_bind_group(place, device.create_bind_group(layout=layout, entries=entries))
    step.dispatch_workgroups(-(-n // 32))
    step.end()
    device.queue.submit([encoder.finish()])
    found = np.frombuffer(device.queue.read_buffer(target), "<f4").reshape(n, 4)
    return found[:, :d_out].copy()
