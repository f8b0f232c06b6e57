"""What people have already: line packs, TFRecords, PAGE and ALTO pages, pictures with texts; one module a kind."""
