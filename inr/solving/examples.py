"""Problems to start from, by the name of their file."""

EXAMPLES = {
    "disc.toml": """\
# Heat or deflection of a disc with a hole: a domain by a formula, negative inside.
[problem]
name = "disc with a hole"
equation = "lap(u) = -1"

[axes]
x = [-1, 1]
y = [-1, 1]

[geometry]
sdf_expression = "max(sqrt(x**2 + y**2) - 1, 0.3 - sqrt((x - 0.4)**2 + y**2))"

[[condition]]
on = "boundary"
equation = "u = 0"
""",
    "poisson.toml": """\
# Poisson's equation on a square, with a known solution.
[problem]
name = "poisson"
equation = "-lap(u) = 2*pi**2*sin(pi*x)*sin(pi*y)"

[axes]
x = [0, 1]
y = [0, 1]

[[condition]]
on = "boundary"
equation = "u = 0"

[reference]
exact = "sin(pi*x)*sin(pi*y)"
""",
    "burgers.toml": """\
# A wave steepens at x = 0 (Burgers' equation). Smaller nu make a front, which needs more features and time.
[problem]
name = "burgers"
equation = "u_t + u*u_x = nu*u_xx"

[axes]
x = [-1, 1]
t = [0, 1]

[parameters]
nu = 0.2

[[condition]]
on = "start"
equation = "u = -sin(pi*x)"

[[condition]]
on = ["left", "right"]
equation = "u = 0"
""",
    "helmholtz.toml": """\
# A plane wave, complex: two channels.
[problem]
name = "plane wave"
equation = "lap(E) + k**2*E = 0"

[axes]
x = [0, 1]
y = [0, 1]

[fields]
E = { complex = true }

[parameters]
k = 20
angle = 0.6

[[condition]]
on = "boundary"
equation = "E = exp(i*k*(x*cos(angle) + y*sin(angle)))"

[reference]
exact = "exp(i*k*(x*cos(angle) + y*sin(angle)))"
""",
    "wave.toml": """\
# A string that is let go.
[problem]
name = "string"
equation = "u_tt = 4*u_xx"

[axes]
x = [0, 1]
t = [0, 1]

[[condition]]
on = ["left", "right"]
equation = "u = 0"

[[condition]]
on = "start"
equation = "u = sin(pi*x) + 0.5*sin(4*pi*x)"

[[condition]]
on = "start"
equation = "u_t = 0"

[reference]
exact = "sin(pi*x)*cos(2*pi*t) + 0.5*sin(4*pi*x)*cos(8*pi*t)"
""",
    "well.toml": """\
# A particle in a well of finite depth: the three lowest energies and their functions.
[problem]
name = "quantum well"
kind = "eigen"
equation = "-0.5*u_xx + V*u = E*u"
states = 3

[axes]
x = [-3, 3]

[parameters]
V = "10*heaviside(abs(x) - 1)"

[[condition]]
on = "boundary"
equation = "u = 0"

[solve]
target = 1e-3
""",
    "flow.toml": """\
# Flow behind a grid (Kovasznay): three fields, and a pressure that is known up to a constant.
[problem]
name = "kovasznay"
equations = [
  "u*u_x + v*u_y = -p_x + nu*lap(u)",
  "u*v_x + v*v_y = -p_y + nu*lap(v)",
  "u_x + v_y = 0",
]

[axes]
x = [-0.5, 1]
y = [-0.5, 1.5]

[parameters]
nu = 0.025
l = "1/(2*nu) - sqrt(1/(4*nu**2) + 4*pi**2)"

[[condition]]
on = "boundary"
equation = "u = 1 - exp(l*x)*cos(2*pi*y)"

[[condition]]
on = "boundary"
equation = "v = l/(2*pi)*exp(l*x)*sin(2*pi*y)"

[reference]
exact = { u = "1 - exp(l*x)*cos(2*pi*y)", v = "l/(2*pi)*exp(l*x)*sin(2*pi*y)", p = "0.5*(1 - exp(2*l*x))" }

[solve]
features = 300
""",
}
