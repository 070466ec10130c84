"""What a deployment needs around it: documents for its bucket and role, and the doctor that checks them."""
