"""The label products in words: one line each, or everything about one."""

from __future__ import annotations

from collections.abc import Mapping

from isamap.gee_export.base.scheme import SCHEMES
from isamap.gee_export.labelling import file_products, label_products, tables
from isamap.gee_export.labelling.product import Product


def overview() -> str:
    """Every product in two lines (years, pixel, schemes, licence; title, rule, notes), and how own labels are given."""
    rows = [line for product in _products() for line in _two_lines(product)]
    listed = "\n".join(map(tables.line, tables.TABLES))
    rows.append(f"\nTables of buildings (polygons) and roads (lines, #width=METRES):\n{listed}\n")
    rows.append("Files that you download, of products that Earth Engine does not hold:")
    rows += map(file_products.line, file_products.FILE_PRODUCTS)
    rows.append(
        "none: images without labels. Own labels: an asset (projects/... or users/...), a raster (.tif), vectors"
    )
    rows.append("(.gpkg .geojson .shp .fgb .parquet). `isamap labels NAME` says everything about one; docs/labels.md.")
    return "\n".join(rows)


def _two_lines(product: Product) -> tuple[str, str]:
    mark = "; NOT VERIFIED" if product.caution else ""
    facts = (
        f"{product.scale_m:g} m, imagery of {product.years}, {' and '.join(product.rule.schemes)}, {product.licence}"
    )
    codes = "" if "first_years" in product.rule.to_json() else "impervious: "
    words = "; ".join([product.title, f"{codes}{_impervious(product)}", *product.notes])
    return f"{product.name:<24} {facts}{mark}", f"{'':<24} {words}"


def described(name: str) -> str:
    """Everything about one product; ValueError with the nearest names where there is none."""
    if name in tables.TABLES:
        table = tables.TABLES[name]
        return f"{tables.line(name)}\n  {table.asset.format('PLACE')}\n  cite: {table.citation}"
    label_products.check(name)
    product = label_products.LABELS[name]
    if product is None:
        return "none: images without labels"
    lines = [f"{product.name}: {product.title}", f"  for imagery of {product.years}, pixels of {product.scale_m:g} m"]
    lines += [f"  {line}" for line in _assets(product)]
    lines.append(f"  counts: {product.counts}")
    lines.append(f"  schemes: {', '.join(f'{n} ({_classes(n)})' for n in product.rule.schemes)}")
    lines += [f"  {key}: {_words(value)}" for key, value in product.rule.to_json().items()]
    lines += [f"  note: {note}" for note in product.notes]
    if product.caution:
        lines.append(f"  NOT VERIFIED: {product.caution}")
    return "\n".join([*lines, f"  licence: {product.licence}", f"  cite: {product.citation}"])


def rows(name: str | None = None) -> list[dict[str, object]]:
    """The products (or the one of that name) as fields, for other programs; ValueError where there is none."""
    if name is not None:
        label_products.check(name)
    return [
        {
            "name": product.name,
            "title": product.title,
            "years": product.years,
            "scale_m": product.scale_m,
            "counts": product.counts,
            "schemes": list(product.rule.schemes),
            "rule": product.rule.to_json(),
            "licence": product.licence,
            "citation": product.citation,
            "notes": list(product.notes),
            "caution": product.caution,
        }
        for product in _products()
        if name in (None, product.name)
    ]


def markdown() -> str:
    """The products as docs/labels.md shows them."""
    head = "| name | asset | band | imagery of | pixel | impervious | licence |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *map(_markdown_row, _products())])


def markdown_classes() -> str:
    """The codes of the seven classes of LandCover3m of every product that has classes, as docs/labels.md shows them.

    Products of the same codes share a row.
    """
    numbers = SCHEMES["landcover3m"].classes
    kinds = [f"{value} {name}" for value, name in numbers.items() if name != "unknown"]
    head = f"| name | {' | '.join(kinds)} | unknown |\n|{'---|' * (len(kinds) + 2)}"
    cells = {p.name: _class_cells(p) for p in _products() if "landcover3m" in p.rule.schemes}
    return "\n".join([head, *_shared_rows(cells)])


def markdown_counts() -> str:
    """What counts as impervious to each product, those of files and tables too, as docs/labels.md shows it.

    Products that count the same share a row.
    """
    counts = {product.name: product.counts for product in _products()}
    counts |= {f"{name}:FILE": product.counts for name, product in file_products.FILE_PRODUCTS.items()}
    counts |= {tables.placed(name): table.counts for name, table in tables.TABLES.items()}
    return "\n".join(["| name | what counts as impervious |\n|---|---|", *_shared_rows(counts)])


def _shared_rows(cells: Mapping[str, str]) -> list[str]:
    """Rows of a table of names and cells, one for all names with the same cells."""
    names: dict[str, list[str]] = {}
    for name, text in cells.items():
        names.setdefault(text, []).append(f"`{name}`")
    return [f"| {', '.join(alike)} | {text} |" for text, alike in names.items()]


def _class_cells(product: Product) -> str:
    codes = {key: value for key, value in product.rule.to_json().items() if isinstance(value, list)}
    land_types = SCHEMES["landcover3m"].numbers
    cells = [_words(codes.get(land_type, "")) for land_type in land_types]
    other_codes = sorted(
        code for land_type, land_codes in codes.items() if land_type not in land_types for code in land_codes
    )
    return " | ".join([*cells, _words(other_codes)])


def _markdown_row(product: Product) -> str:
    assets = "<br>".join(dict.fromkeys(f"`{_stem(product, e.asset)}`" for e in product.editions))
    star = " *" if product.caution else ""
    cells = (f"`{product.name}`{star}", assets, _bands(product), product.years, f"{product.scale_m:g} m")
    return f"| {' | '.join(cells)} | {_impervious(product)} | {product.licence} |"


def _impervious(product: Product) -> str:
    rule = product.rule.to_json()
    return str(rule.get("first_years") or _words(rule.get("impervious", "")))


def _bands(product: Product) -> str:
    bands = [edition.band or product.band or "the only one" for edition in product.editions]
    return bands[0] if len(set(bands)) == 1 else f"{bands[0]} ... {bands[-1]}"


def _stem(product: Product, asset: str) -> str:
    """Editions whose id ends with their year share one line."""
    many = len({edition.asset for edition in product.editions}) > 2
    return f"{asset.rpartition('/')[0]}/YEAR" if many else asset


def _assets(product: Product) -> list[str]:
    stems = dict.fromkeys(_stem(product, edition.asset) for edition in product.editions)
    return [f"{stem}, band {_bands(product)}" for stem in stems]


def _classes(scheme: str) -> str:
    return ", ".join(f"{value} {name}" for value, name in SCHEMES[scheme].classes.items())


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _products() -> list[Product]:
    return [product for product in label_products.LABELS.values() if product is not None]
