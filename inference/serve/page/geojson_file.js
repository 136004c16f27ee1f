// A GeoJSON file of a person, read in the browser.

const FILE_BYTES = 1_000_000;

/** The document of a GeoJSON file; Error with the remedy where it is none, or too long. */
export async function readGeojson(file) {
  const wrong = () => new Error(`${file.name} is no GeoJSON: give a .geojson with polygons in degrees.`);
  if (!/\.(geo)?json$/i.test(file.name)) throw wrong();
  if (file.size > FILE_BYTES) throw new Error(`${file.name} has ${file.size.toLocaleString("en")} bytes, at most 1 MB is read: simplify the outlines.`);
  try {
    return JSON.parse(await file.text());
  } catch {
    throw wrong();
  }
}
