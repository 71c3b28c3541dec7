"""A picture of what the comparisons measured: how many times the best peer, a bar each, with what each must reach.

  python3 bars.py FILE.json ... > bars.svg        the files that compare.py --json wrote, one group each
"""
import html, json, math, os, sys

LEAST, LEFT, WIDTH, ROW = 0.25, 240, 520, 18  # of the logarithmic scale; pixels


def main():
    groups = []
    for path in sys.argv[1:]:
        with open(path) as file:
            groups.append((path, json.load(file)))
    most = max((max(row["ratio"], row["wanted_ratio"]) for _, rows in groups for row in rows), default=1)
    ticks = [LEAST * 2 ** i for i in range(math.ceil(math.log2(min(max(most, 2), 32) / LEAST)) + 1)]

    def at(ratio):
        return LEFT + WIDTH * math.log(min(max(ratio, LEAST), ticks[-1]) / LEAST) / math.log(ticks[-1] / LEAST)

    parts, y = [], 34
    for path, rows in groups:
        parts.append(f'<text x="8" y="{y}" font-weight="bold">{html.escape(os.path.splitext(os.path.basename(path))[0])}</text>')
        y += ROW + 2
        for row in rows:
            colour = "#2f7d4f" if row["holds"] else "#c77b30" if row["agrees"] else "#b03030"
            right, mark = at(row["ratio"]), at(row["wanted_ratio"])
            parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{html.escape(row["name"])}</text>')
            parts.append(f'<rect x="{LEFT}" y="{y + 2}" width="{max(right - LEFT, 1):.1f}" height="{ROW - 4}" fill="{colour}"/>')
            parts.append(f'<path d="M{mark:.1f} {y}v{ROW}" stroke="#222" stroke-width="2"/>')
            beside = max(right, mark) if right > mark - 30 else right  # not under the mark
            parts.append(f'<text x="{beside + 5:.1f}" y="{y + 12}">{row["ratio"]:.2f}</text>')
            y += ROW
        y += 22
    grid = []
    for ratio in ticks:
        grid.append(f'<path d="M{at(ratio):.1f} 20V{y - 16}" stroke="{"#888" if ratio == 1 else "#ddd"}"/>')
        grid.append(f'<text x="{at(ratio):.1f}" y="14" text-anchor="middle">{ratio:g}</text>')
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{y}" font-family="sans-serif" font-size="11">')
    print('<rect width="100%" height="100%" fill="#fff"/>')
    print("\n".join(grid + parts))
    print("</svg>")


main()
