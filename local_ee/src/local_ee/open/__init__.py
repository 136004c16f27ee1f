"""Public archives as a catalog: real Sentinel and land-cover images under Earth Engine's ids, without an account.

    hosts, transport     https to the hosts of a table, answers bounded, waits obeyed
    providers, products  which archive holds what, as data
    stac, tokens         searches and their pages, tokens of Planetary Computer
    tiff, own_header     the table of a foreign GeoTIFF's tiles; the tiles under a header that is written here
    blocks               tiles, heads and searches on disk
    cog, tiles, flights  a window of a file, whichever of its tiles are here already; threads that fetch the others
    items, sentinel1, sentinel2, scenes, twins
                         items as Earth Engine's images; scenes that two archives hold
    addressed, embeddings, embedding_index
                         products whose files have computed or listed addresses
    questions, notes, catalog
                         all of it as the engine's catalog; what is left out

No address and no foreign header ever reaches GDAL (SECURITY.md).
"""
