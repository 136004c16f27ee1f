"""Labels: products as data, users' own files and assets, their fusion, classes and shares."""
