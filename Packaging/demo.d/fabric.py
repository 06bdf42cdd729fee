#!/usr/bin/env python3
"""The picture of Packaging/demo --fabric at its end, as an SVG file on standard output. The word is how many pings the move has cost."""

import sys

INK, PAPER, TENANTS = "#24292f", "#ffffff", {"a": ("#0969da", 5000), "b": ("#bc4c00", 6000)}
# Machine: the switch that it is behind, and the row there.
MACHINES = {"a1": (2, 0), "a2": (2, 1), "b1": (1, 2), "b2": (2, 2)}


def text(x, y, words, *, size=14, colour=INK, anchor="middle", weight="normal"):
    return (f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">{words}</text>')


def box(x, y, width, height, colour, fill=PAPER, dash=""):
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{colour}" stroke-width="2"{dash}/>'


def line(x1, y1, x2, y2, colour, width=2, dash=""):
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{width}"{dash}/>'


def drawing(lost):
    parts = []
    for number, x in ((1, 250), (2, 550)):
        parts += [box(x, 60, 160, 260, INK), text(x + 80, 84, f"s{number}", weight="bold"), text(x + 80, 102, f"192.0.2.{number}", size=12)]
        for tenant, y in (("a", 130), ("b", 235)):
            colour, vni = TENANTS[tenant]
            parts += [box(x + 20, y, 120, 60, colour), text(x + 80, y + 26, f"br{tenant}", colour=colour),
                      text(x + 80, y + 46, f"VNI {vni}", size=12, colour=colour)]
    for tenant, y in (("a", 160), ("b", 265)):
        colour, vni = TENANTS[tenant]
        parts += [line(390, y, 570, y, colour, 3), text(480, y - 8, f"VXLAN {vni}", size=12, colour=colour)]
    parts += [line(410, 300, 550, 300, INK, 2, ' stroke-dasharray="5 4"'), text(480, 316, "BGP EVPN (FRR)", size=12)]
    for name, (switch, row) in MACHINES.items():
        tenant = name[0]
        colour, y = TENANTS[tenant][0], (95, 165, 245)[row]
        x = 40 if switch == 1 else 770
        parts += [box(x, y, 150, 44, colour), text(x + 75, y + 19, name, weight="bold", colour=colour),
                  text(x + 75, y + 36, f"10.0.0.{name[1]}", size=12)]
        wire = (190, y + 22, 270, 265 if tenant == "b" else 160) if switch == 1 else (770, y + 22, 690, 265 if tenant == "b" else 160)
        parts.append(line(*wire, colour))
    parts += [box(40, 138, 150, 44, TENANTS["a"][0], "none", ' stroke-dasharray="6 5"'),
              text(115, 157, "a1 was here", size=12, colour=TENANTS["a"][0]), text(115, 174, f"moved: {lost} of 400 pings lost", size=10)]
    return "\n".join(['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 360" font-family="sans-serif">',
                      "<title>Two switches, two tenants: the fabric after the move</title>", f'<rect width="960" height="360" fill="{PAPER}"/>',
                      text(480, 36, "Two tenants with the same addresses on two switches", size=18, weight="bold"), *parts, "</svg>"])


if __name__ == "__main__":
    print(drawing(int(sys.argv[1])))
