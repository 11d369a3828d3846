"""What several clouds share: the S3 XML protocol with its header families, its listings and its errors."""
