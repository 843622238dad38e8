package oauth

// ParseDetails decodes authorization_details.
var ParseDetails = parseDetails
